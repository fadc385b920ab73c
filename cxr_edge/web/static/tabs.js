// Tabs by the ARIA pattern: arrow keys move, one tab is in the tab order, the address remembers which.
export function startTabs(onShow) {
  const tabs = [...document.querySelectorAll("[role=tab]")];

  function show(tab, focus) {
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    const name = tab.id.replace("tab-", "");
    history.replaceState(null, "", `#${name}`);
    onShow(name);
  }

  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => show(tab, false));
    tab.addEventListener("keydown", (event) => {
      const moves = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      show(tabs[(moves[event.key] + tabs.length) % tabs.length], true);
    });
  }
  const named = document.getElementById(`tab-${location.hash.slice(1)}`);
  if (named) show(named, false);
}
