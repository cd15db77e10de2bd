// The live board: the server sends it whole, in words, once a second.
const live = document.getElementById("live");
if (live && window.EventSource) {
  const stale = document.getElementById("stale");
  const events = new EventSource(live.dataset.events);
  events.addEventListener("board", (event) => {
    const board = live.cloneNode(false);
    board.innerHTML = event.data;
    renew(live, board);
    stale.hidden = true;
  });
  events.addEventListener("over", () => location.reload());
  events.onerror = () => { stale.hidden = false; };
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => window.print());
}

// Changes what is different and no more: who reads, scrolls or has the focus there is not disturbed.
function renew(shown, next) {
  if (shown.nodeName !== next.nodeName) return shown.replaceWith(next);
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    if (shown.data !== next.data) shown.data = next.data;
    return;
  }
  for (const { name } of [...shown.attributes]) {
    if (!next.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const [children, nexts] = [[...shown.childNodes], [...next.childNodes]];
  nexts.forEach((it, at) => children[at] ? renew(children[at], it) : shown.append(it));
  children.slice(nexts.length).forEach((it) => it.remove());
}
