// Uploaded models: sent as they are, checked and tried on the server, listed or refused with the reason.
export function startUploads(models) {
  const form = document.getElementById("upload-form");
  document.getElementById("models").addEventListener("click", async (event) => {
    const key = event.target.closest("[data-remove]")?.dataset.remove;
    if (!key) return;
    if (!confirm(`Remove the uploaded model ${key} and its file?`)) return;
    await fetch(`/api/models/${encodeURIComponent(key)}`, { method: "DELETE" });
    await models.reload();
    document.getElementById("models-title").scrollIntoView({ block: "nearest" });
  });
  if (!form) return;

  const said = form.querySelector("[role=status]");
  const file = form.elements.file;
  const lone = form.querySelector(".lone");
  const update = () => {
    const alone = /\.(tflite|onnx)$/i.test(file.files[0]?.name || "");
    lone.hidden = !alone;
    for (const input of lone.querySelectorAll("input")) input.required = alone && input.name !== "limit";
  };
  file.addEventListener("change", update);
  update();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = file.files[0];
    const query = new URLSearchParams({ name: chosen.name });
    if (!lone.hidden) for (const input of lone.querySelectorAll("input")) if (input.value) query.set(input.name, input.value);
    const button = form.querySelector("button");
    button.disabled = true;
    said.className = "";
    said.textContent = "Sent; it is checked, and then run in a process of its own. This takes some seconds.";
    try {
      const answer = await fetch(`/api/models?${query}`, { method: "POST", body: chosen });
      const value = await answer.json();
      said.className = answer.ok ? "" : "failed";
      said.textContent = answer.ok ? `Listed as ${value.key}.` : `Refused: ${value.error}`;
      if (answer.ok) {
        form.reset();
        update();
        await models.reload(value.models);
      }
    } catch {
      said.className = "failed";
      said.textContent = "The program does not answer; is “cxr-edge serve” still running?";
    } finally {
      button.disabled = false;
    }
  });
}
