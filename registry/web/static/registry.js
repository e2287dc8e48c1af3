// What htmx does not do by itself: uploads, copying, tables on a phone. Pages work without it.
(() => {
  "use strict";

  document.addEventListener("htmx:xhr:progress", (event) => {
    const form = event.target.closest("form.upload");
    if (!form || !event.detail.lengthComputable) return;
    const share = Math.floor((100 * event.detail.loaded) / event.detail.total);
    form.querySelector(".upload-progress").hidden = false;
    form.querySelector(".upload-progress progress").value = share;
    form.querySelector(".upload-percent").textContent =
      share < 100 ? `${share} %` : "uploaded; the registry stores and hashes it";
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const button = event.target.matches("form.upload") && event.target.querySelector("[type=submit]");
    if (button) button.disabled = true;
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const button = event.target.matches("form.upload") && event.target.querySelector("[type=submit]");
    if (button) button.disabled = false;
  });

  const tell = (words) => {
    const box = document.createElement("div");
    box.className = "alert alert-danger notice";
    box.textContent = words;
    document.getElementById("messages").replaceChildren(box);
  };
  document.addEventListener("htmx:responseError", (event) =>
    tell(`The server answered ${event.detail.xhr.status}. Load the page again.`));
  document.addEventListener("htmx:sendError", () => tell("The server does not answer."));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
  });

  // A gallery is searched with numbers: the browser decodes the image, the server never does.
  const LARGEST_SIDE = 512;

  const pixelsOf = async (file, size) => {
    const bitmap = await createImageBitmap(file);
    const shrink = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const [height, width] = size || [Math.round(bitmap.height * shrink), Math.round(bitmap.width * shrink)];
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d");
    pen.drawImage(bitmap, 0, 0, width, height);
    return { width, height, rgba: pen.getImageData(0, 0, width, height).data };
  };

  const grey = (rgba, at) => Math.round(0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2]);

  const grid = ({ width, height }, value) =>
    Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => value(4 * (y * width + x))));

  // Preprocessing takes images (rows of pixels); without it, the graph's own shape is sent.
  const inputOf = async (file, shape, isPrepared, isSized) => {
    const channels = shape.length === 3 ? shape[0] : 1;
    const pixels = await pixelsOf(file, isSized ? null : shape.slice(-2));
    if (isPrepared && channels === 3) return grid(pixels, (at) => Array.from(pixels.rgba.slice(at, at + 3)));
    if (isPrepared) return grid(pixels, (at) => grey(pixels.rgba, at));
    if (shape.length === 2) return grid(pixels, (at) => grey(pixels.rgba, at));
    const plane = (c) => grid(pixels, (at) => (channels === 1 ? grey(pixels.rgba, at) : pixels.rgba[at + c]));
    return Array.from({ length: channels }, (_, c) => plane(c));
  };

  const offerImages = (root) => {
    root.querySelectorAll("[data-search-image]").forEach((box) => {
      const shape = box.dataset.shape.split(",").map(Number);
      if (![2, 3].includes(shape.length) || (shape.length === 3 && ![1, 3].includes(shape[0]))) return;
      box.hidden = false;
      box.querySelector("input").addEventListener("change", async (event) => {
        const file = event.target.files[0];
        if (!file) return;
        const form = box.closest("form");
        form.elements.item_id.value = "";
        try {
          const input = await inputOf(
            file, shape, box.dataset.prepared === "yes", box.dataset.sized === "yes");
          form.elements.input.value = JSON.stringify(input);
        } catch {
          form.elements.input.value = "";
          tell("The browser cannot read this image.");
        }
      });
    });
  };
  document.addEventListener("DOMContentLoaded", () => offerImages(document));

  const showCopy = (root) => {
    if (!navigator.clipboard) return;
    root.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
  };
  document.addEventListener("DOMContentLoaded", () => showCopy(document));
  document.addEventListener("htmx:load", (event) => showCopy(event.target));

  // On a phone the rows of a table stand below each other, each cell with the name of its column.
  const OF_THEIR_OWN = ".rules, .rules-table, .paired";
  const labelCells = (root) => {
    root.querySelectorAll(".table-responsive > table").forEach((table) => {
      if (table.matches(OF_THEIR_OWN) || !table.tHead || table.querySelector("tbody [colspan]")) return;
      const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
      table.querySelectorAll("tbody > tr").forEach((row) =>
        [...row.cells].forEach((cell, i) => { if (names[i]) cell.dataset.column = names[i]; }));
      table.classList.add("stacked");
    });
  };
  document.addEventListener("DOMContentLoaded", () => labelCells(document));
  document.addEventListener("htmx:load", (event) => labelCells(event.target.parentNode || document));
})();
