// A pasted error is searched by its words: quotes, brackets and addresses would otherwise become part of the query.
document.addEventListener("paste", event => {
  const field = event.target
  if (!(field instanceof HTMLInputElement) || !field.matches(".md-search__input")) return
  event.preventDefault()
  const text = event.clipboardData.getData("text")
  const words = text.replace(/https?:\/\/[^\s"'\\]+/g, " ").replace(/\\[nrt]/g, " ").replace(/[^\p{L}\p{N}_.]+/gu, " ").trim()
  field.setRangeText(words, field.selectionStart, field.selectionEnd, "end")
  field.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }))
})
