// A convenience, and nothing that a page needs: a button that copies the command, and one that fills in the reader's time zone.
"use strict";
{
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.className = "small";
    made.addEventListener("click", () => act(made));
    return made;
  };
  const command = document.getElementById("curl");
  if (command && navigator.clipboard) {
    command.after(
      button("Copy", async (made) => {
        await navigator.clipboard.writeText(command.textContent);
        made.textContent = "Copied";
      }),
    );
  }
  const field = document.getElementById("tz");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (field && own && own !== (field.value || "UTC")) {
    field.after(
      button(`Use ${own}`, (made) => {
        field.value = own;
        made.remove();
        field.form.requestSubmit();
      }),
    );
  }
}
