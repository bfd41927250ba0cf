"""Getting a token: sign in with the browser, verify what came, save it, revoke what must not live on."""
