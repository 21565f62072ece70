// Makes the table of losses sortable and adds filters; all offline. What was
// asked stands in the address. Without this script the table is whole.
window.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("table.chooser");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  const names = heads.map(head => head.textContent);
  const words = (row, name) =>
    row.cells[names.indexOf(name)].dataset.is.split("|").filter(Boolean);
  const all = name => [...new Set(rows.flatMap(row => words(row, name)))];

  const asks = document.createElement("form");
  asks.className = "chooser-asks";
  asks.setAttribute("role", "search");
  asks.setAttribute("aria-label", "Losses");
  const option = (value, text) => `<option value="${value}">${text}</option>`;
  const select = (key, label, column, any) =>
    `<span><label for="choose-${key}">${label}</label> ` +
    `<select id="choose-${key}" name="${key}">${option("", any)}` +
    all(column).map(w => option(w, w)).join("") + "</select></span>";
  asks.innerHTML =
    '<label>find <input type="search" name="find" autocomplete="off"></label>' +
    select("task", "for", "for", "any task") +
    select("input", "given", "given", "anything") +
    select("without", "without", "needs", "–") +
    "<fieldset><legend>properties</legend>" + all("properties").map(trait =>
      `<label><input type="checkbox" name="is" value="${trait}"> ${trait}` +
      "</label>").join("") +
    '</fieldset><button type="reset">clear</button>' +
    '<span role="status" aria-live="polite"></span>';
  table.parentElement.before(asks);
  const said = asks.querySelector("[role=status]");
  let sorted = "";

  const filter = () => {
    const asked = new FormData(asks);
    const text = asked.get("find").toLowerCase().split(/\s+/);
    let found = 0;
    for (const row of rows) {
      const fits = (key, name) =>
        !asked.get(key) || words(row, name).includes(asked.get(key));
      const has = asked.getAll("is").every(t => words(row, "properties").includes(t));
      const hit = text.every(w => row.textContent.toLowerCase().includes(w));
      const lacks = asked.get("without") &&
        words(row, "needs").includes(asked.get("without"));
      row.hidden =
        !(hit && has && fits("task", "for") && fits("input", "given")) || lacks;
      found += !row.hidden;
    }
    said.textContent = found === 1 ? "1 loss" : `${found || "no"} losses`;
  };
  const key = (row, at) => names[at] === "properties" || names[at] === "needs"
    ? String(words(row, names[at]).length).padStart(3, "0")
    : row.cells[at].textContent.toLowerCase();
  const sort = (at, down) => {
    heads.forEach((head, n) => n === at
      ? head.setAttribute("aria-sort", down ? "descending" : "ascending")
      : head.removeAttribute("aria-sort"));
    const order = at < 0 ? rows : [...rows].sort((a, b) => {
      const [one, other] = [key(a, at), key(b, at)];
      return (down ? -1 : 1) * ((one > other) - (one < other));
    });
    table.tBodies[0].append(...order);
    sorted = at < 0 ? "" : (down ? "-" : "") + names[at];
  };
  const keep = () => {
    const state = new URLSearchParams();
    for (const [k, v] of new FormData(asks)) if (v) state.append(k, v);
    if (sorted) state.set("sort", sorted);
    const hash = state.toString() ? `?${state}` : "every-loss";
    history.replaceState(null, "", `#${hash}`);
  };
  const recall = () => {
    if (!location.hash.startsWith("#?")) return;
    const state = new URLSearchParams(location.hash.slice(2));
    for (const field of asks.elements) {
      if (field.type === "checkbox")
        field.checked = state.getAll("is").includes(field.value);
      else if (field.name) field.value = state.get(field.name) ?? "";
    }
    const by = state.get("sort") ?? "";
    sort(names.indexOf(by.replace("-", "")), by.startsWith("-"));
    filter();
    asks.scrollIntoView();
  };

  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      sort(at, head.getAttribute("aria-sort") === "ascending");
      keep();
    });
    head.replaceChildren(button);
  });
  asks.addEventListener("input", () => { filter(); keep(); });
  asks.addEventListener("submit", event => event.preventDefault());
  asks.addEventListener("reset", () => setTimeout(() => {
    sort(-1); filter(); keep();
  }));
  window.addEventListener("hashchange", recall);
  filter();
  recall();
});
