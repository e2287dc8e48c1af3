// Line numbers beside the text of a policy; those that are wrong are marked, and lead to the line.
(() => {
  "use strict";

  const area = document.querySelector("[data-editor] textarea");
  if (!area) return;
  const gutter = document.createElement("div");
  gutter.className = "editor-gutter";
  gutter.setAttribute("aria-hidden", "true");
  area.before(gutter);

  const wrongLines = () =>
    new Set(document.getElementById("draft").dataset.wrongLines.split(",").filter(Boolean).map(Number));

  const draw = () => {
    const wrong = wrongLines();
    const count = area.value.split("\n").length;
    const rows = Array.from({ length: count }, (_, i) => {
      const row = document.createElement("div");
      row.textContent = i + 1;
      row.classList.toggle("editor-wrong", wrong.has(i + 1));
      return row;
    });
    gutter.replaceChildren(...rows);
    gutter.scrollTop = area.scrollTop;
  };

  const goTo = (line) => {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] || "").length);
    const height = parseFloat(getComputedStyle(area).lineHeight);
    area.scrollTop = Math.max(0, (line - 6) * height);
  };

  area.addEventListener("input", draw);
  area.addEventListener("scroll", () => { gutter.scrollTop = area.scrollTop; });
  document.addEventListener("htmx:afterSettle", draw);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-line]");
    if (button) goTo(Number(button.dataset.line));
  });
  draw();
})();
