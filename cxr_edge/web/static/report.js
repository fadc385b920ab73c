// Exports, made from what the page shows: nothing is asked of the server again, and nothing was kept there.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function stamp() {
  return new Date().toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-");
}

export function saveCsv(cards) {
  const text = cards[0].dataset.head + cards.map((card) => card.dataset.csv).join("");
  save(`cxr-edge-${stamp()}.csv`, "text/csv;charset=utf-8", text);
}

// One file that loads nothing: style and pictures are inside, and there is no script.
export async function saveReport(cards) {
  const style = await (await fetch("/static/app.css")).text();
  const page = document.implementation.createHTMLDocument("cxr-edge report");
  const heat = getComputedStyle(document.documentElement).getPropertyValue("--heat");
  // Written as text: in a document of this page its own policy would refuse the style.
  const head = `<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>cxr-edge report</title><style>${style}
:root { --heat: ${heat}; } .report { max-width: 1100px; margin: 0 auto; padding: 20px 16px; }</style></head>`;

  const main = page.body.appendChild(page.createElement("main"));
  main.className = "report";
  const title = main.appendChild(page.createElement("h1"));
  title.textContent = "Chest films, classified by cxr-edge";
  const note = document.querySelector(".research").textContent.trim();
  const facts = main.appendChild(page.createElement("p"));
  facts.className = "sub";
  facts.textContent = `Made ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC · ${cards.length} ${cards.length === 1 ? "film" : "films"} · heat maps at ${Math.round(heat * 100)} % opacity. The page holds the films: pass it on only as you may pass on those.`;
  const research = main.appendChild(page.createElement("p"));
  research.className = "research";
  research.textContent = note;
  for (const card of cards) {
    const copy = page.importNode(card, true);
    copy.removeAttribute("data-csv");
    copy.removeAttribute("data-head");
    copy.hidden = false;
    copy.classList.add("card");
    main.append(copy);
  }
  save(`cxr-edge-${stamp()}.html`, "text/html;charset=utf-8", `<!doctype html>\n<html lang="en">${head}${page.body.outerHTML}</html>\n`);
}
