// The live board: the server sends it whole, in words, once a second.
const live = document.getElementById("live");
if (live && window.EventSource) {
  const stale = document.getElementById("stale");
  const events = new EventSource(live.dataset.events);
  events.addEventListener("board", (event) => {
    // Somebody who is selecting text keeps it.
    if (window.getSelection().isCollapsed) live.innerHTML = event.data;
    stale.hidden = true;
  });
  events.addEventListener("over", () => location.reload());
  events.onerror = () => { stale.hidden = false; };
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => window.print());
}
