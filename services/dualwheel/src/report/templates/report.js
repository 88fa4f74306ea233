// Sorts a table by the column whose heading is chosen; everything else works without scripts.
(function () {
  function key(row, column) {
    var cell = row.children[column];
    var text = cell.getAttribute("data-sort") || cell.firstChild && cell.firstChild.textContent || "";
    var number = parseFloat(text.replace(/[,\s]|[A-Z]{3}/g, "").replace("−", "-"));
    return isNaN(number) ? text : number;
  }
  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("thead th").forEach(function (heading, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (heading.firstChild) button.appendChild(heading.firstChild);
      heading.appendChild(button);
      button.addEventListener("click", function () {
        var down = heading.getAttribute("aria-sort") !== "descending";
        table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        var body = table.tBodies[0];
        Array.from(body.rows)
          .sort(function (a, b) { return (down ? -1 : 1) * compare(key(a, column), key(b, column)); })
          .forEach(function (row) { body.appendChild(row); });
      });
    });
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (details) { details.open = true; });
  });
})();
