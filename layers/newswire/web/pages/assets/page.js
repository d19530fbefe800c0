// Two optional buttons: copy the curl command, and use the time zone of the browser. No feature needs this script.
"use strict";
{
  const button = (text, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.textContent = text;
    element.className = "small";
    element.addEventListener("click", () => act(element));
    return element;
  };
  const command = document.getElementById("curl");
  if (command && navigator.clipboard) {
    command.after(
      button("Copy", async (element) => {
        await navigator.clipboard.writeText(command.textContent);
        element.textContent = "Copied";
      }),
    );
  }
  const field = document.getElementById("tz");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (field && own && own !== (field.value || "UTC")) {
    field.after(
      button(`Use ${own}`, (element) => {
        field.value = own;
        element.remove();
        field.form.requestSubmit();
      }),
    );
  }
}
