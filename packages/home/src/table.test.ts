import assert from "node:assert/strict";
import test from "node:test";
import stringWidth from "string-width";
import { cut, renderTable, visible } from "./table.ts";

const columns = [
  { name: "name", align: "left" },
  { name: "n", align: "right" },
] as const;

test("numbers stand to the right, texts to the left", () => {
  assert.equal(
    renderTable(
      columns,
      [
        ["tea", "5"],
        ["coffee", "120"],
      ],
      80,
    ).text,
    "name      n\n──────  ───\ntea       5\ncoffee  120\n",
  );
});

test("on a narrow terminal the widest columns give way, and no line is wider than the terminal", () => {
  const rows = [["a long product name, very long", "1234567"]];
  const { text, hidden } = renderTable(columns, rows, 20);
  assert.equal(hidden, 0);
  assert.equal(text, "name               n\n───────────  ───────\na long pro…  1234567\n");
  for (const line of text.trimEnd().split("\n")) assert.ok(stringWidth(line) <= 20, line);
});

test("columns that do not fit even when narrow are left out and counted", () => {
  const many = Array.from({ length: 10 }, (_, index) => ({ name: `column_${index}`, align: "left" as const }));
  const { text, hidden } = renderTable(many, [many.map(() => "value")], 20);
  assert.equal(hidden, 7);
  for (const line of text.trimEnd().split("\n")) assert.ok(stringWidth(line) <= 20, line);
});

test("wide characters and emoji are counted as the terminal shows them", () => {
  assert.equal(cut("日本語テキスト", 7), "日本語…");
  assert.equal(cut("👨‍👩‍👧 family", 6), "👨‍👩‍👧 fa…");
  const { text } = renderTable(
    [
      { name: "a", align: "left" },
      { name: "b", align: "left" },
    ],
    [
      ["日本", "x"],
      ["ab", "y"],
    ],
    40,
  );
  const [, , first, second] = text.split("\n");
  assert.equal(stringWidth(first!.slice(0, first!.indexOf("x"))), stringWidth(second!.slice(0, second!.indexOf("y"))));
});

test("a cell cannot steer the terminal or break the table", () => {
  assert.equal(visible("a\u001b[31mred\nnext\ttab\u202edoc"), "a\\u001b[31mred\\nnext\\ttab\\u202edoc");
  assert.equal(
    renderTable([{ name: "x\n", align: "left" }], [["\u001b[2J"]], 40).text,
    "x\\n\n─────────\n\\u001b[2J\n",
  );
});
