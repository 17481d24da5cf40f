import { render } from "preact";
import { App } from "./app.tsx";
import { takeKeysFromAddress } from "./session.ts";
import { applyTheme } from "./theme.ts";

takeKeysFromAddress();
applyTheme();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
