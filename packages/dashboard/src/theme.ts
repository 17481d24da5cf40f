/** Light or dark: the reader's choice, else the system's. */
export type Theme = "light" | "dark" | "system";
const NAME = "ebb.theme";

export const chosenTheme = (): Theme => {
  const stored = localStorage.getItem(NAME);
  return stored === "light" || stored === "dark" ? stored : "system";
};

export const applyTheme = (theme: Theme = chosenTheme()): void => {
  if (theme === "system") {
    localStorage.removeItem(NAME);
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem(NAME, theme);
    document.documentElement.dataset["theme"] = theme;
  }
};
