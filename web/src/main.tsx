// Entry of the page.
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/forms.css";
import "./styles/service.css";
import "./styles/flame.css";
import { render } from "preact";
import { App } from "./app";
import { startTheme } from "./state/theme";

startTheme();
const root = document.getElementById("app");
if (root) {
	root.textContent = "";
	render(<App />, root);
}
