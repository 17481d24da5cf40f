/** HTML as text, with everything that comes from outside escaped. */

/** Text that is already HTML. */
export interface Html {
  readonly html: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);

type Part = Html | string | number | readonly Html[];

const written = (part: Part): string =>
  typeof part === "string"
    ? escaped(part)
    : typeof part === "number"
      ? String(part)
      : "html" in part
        ? part.html
        : part.map(({ html }) => html).join("");

/** A template whose values are escaped unless they are HTML themselves. */
export const html = (pieces: TemplateStringsArray, ...parts: readonly Part[]): Html => ({
  html: pieces.reduce((text, piece, i) => text + written(parts[i - 1]!) + piece),
});

/** A table with a caption and a header of its own for rows and columns; the first cell of a row names it. */
export const table = (caption: string, header: readonly string[], rows: readonly (readonly string[])[]): Html =>
  html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${header.map((name) => html`<th scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first = "", ...others]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${others.map((text) => (/^\p{L}/u.test(text) ? html`<td class="words">${text}</td>` : html`<td>${text}</td>`))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

/** A plot with its caption, and its figures as a table for those who read rather than look. */
export const figure = (plot: Html, caption: string, data: Html): Html =>
  html`<figure>
    ${plot}
    <figcaption>${caption}</figcaption>
    <details>
      <summary>Figures of this plot</summary>
      ${data}
    </details>
  </figure>`;
