/** The icon of a story: a page with a voice. It takes its colour from the theme. */
import { LabIcon } from "@jupyterlab/ui-components";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="M4 3h12a2 2 0 0 1 2 2v4h-2V5H4v14h7v2H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm2 4h8v2H6zm0 4h5v2H6zm8 0h7a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-3l-3 3v-3h-1a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z"/>
</svg>`;

export const storyIcon = new LabIcon({ name: "novel_jupyter:story", svgstr: SVG });
