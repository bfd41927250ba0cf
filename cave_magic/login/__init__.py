"""Getting a token: signs in through the browser, verifies and saves the token, revokes temporary ones."""
