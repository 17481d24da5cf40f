/** A home with one file in it, for tests of the model stage. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { type Home, startHome } from "@ebb/home/home";
import { read } from "../uploads/online-retail-file.ts";

/** Starts a home in the folder and uploads the file; it is folded and landed when this resolves. */
export const homeWith = async (folder: string, name: string, currency: string): Promise<Home> => {
  const home = await startHome({ folder, port: 0, currency });
  const authorization = `Bearer ${home.writeKey}`;
  const content = read(name);
  const asked = await fetch(`${home.url}/v1/uploads`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ content: "upload_url", size: content.length, filename: name.replace(".gz", "") }),
  });
  const { upload_id: id, upload: to } = (await asked.json()) as {
    upload_id: string;
    upload: { url: string; headers: Record<string, string> };
  };
  const put = await fetch(to.url, { method: "PUT", headers: to.headers, body: new Uint8Array(content) });
  assert.equal(put.status, 202, await put.text());
  for (;;) {
    const answer = await fetch(`${home.url}/v1/uploads/${id}`, { headers: { authorization } });
    const { state } = (await answer.json()) as { state: string };
    if (state === "done") break;
    assert.notEqual(state, "failed");
    await delay(100);
  }
  await home.settled();
  await home.flushLake();
  return home;
};
