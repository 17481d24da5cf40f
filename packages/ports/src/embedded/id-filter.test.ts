import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { IdFilter } from "./id-filter.ts";

const id = (number: number): Buffer => createHash("sha256").update(String(number)).digest().subarray(0, 16);

describe("the filter before the index of ids", () => {
  it("never denies an id that is in the index, at any step of its filling", () => {
    const db = new DatabaseSync(":memory:");
    db.exec("CREATE TABLE seen_ids (id BLOB PRIMARY KEY) WITHOUT ROWID");
    const insert = db.prepare("INSERT INTO seen_ids VALUES (?)");
    for (let number = 0; number < 9_000; number++) insert.run(id(number));
    const filter = new IdFilter(db, 9_000);
    for (let step = 0; step < 8; step++) {
      const late = 9_000 + step; // goes into the index while the filter is being filled
      insert.run(id(late));
      filter.add(id(late), 0);
      for (let number = 0; number <= late; number++) assert.ok(filter.mayHold(id(number), 0));
      filter.fillStep();
    }
    let inVain = 0;
    for (let number = 100_000; number < 110_000; number++) if (filter.mayHold(id(number), 0)) inVain++;
    assert.ok(inVain < 10_000 / 10, `${inVain} of 10,000 strangers would be looked up`);
    db.close();
  });
});
