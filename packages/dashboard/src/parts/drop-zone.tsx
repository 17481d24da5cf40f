import { useRef, useState } from "preact/hooks";
import type { OpenedUpload } from "../answers.ts";
import { ApiProblem, post } from "../api.ts";
import { percent } from "../format.ts";
import { currentKeys, rememberKeys } from "../session.ts";

interface Sending {
  readonly name: string;
  /** 0 to 1. */
  readonly sent: number;
  readonly problem?: string;
}

/** Takes files by drop or by choice and sends each to the address that the API opens for it. */
export const DropZone = ({ onSent }: { onSent: () => void }) => {
  const [over, setOver] = useState(false);
  const [sending, setSending] = useState<readonly Sending[]>([]);
  const [hasKey, setHasKey] = useState(currentKeys().write !== undefined);
  const input = useRef<HTMLInputElement>(null);

  const update = (name: string, change: Partial<Sending>): void =>
    setSending((all) => all.map((one) => (one.name === name ? { ...one, ...change } : one)));
  const take = async (files: FileList | null | undefined): Promise<void> => {
    for (const file of files ?? []) {
      setSending((all) => [...all.filter((one) => one.name !== file.name), { name: file.name, sent: 0 }]);
      try {
        await send(file, (sent) => update(file.name, { sent }));
        setSending((all) => all.filter((one) => one.name !== file.name));
      } catch (error) {
        update(file.name, { problem: error instanceof Error ? error.message : String(error) });
      }
      onSent();
    }
  };

  if (!hasKey)
    return (
      <form
        class="key-form"
        onSubmit={(event) => {
          event.preventDefault();
          const key = new FormData(event.currentTarget).get("key");
          if (typeof key !== "string" || key.trim() === "") return;
          rememberKeys({ write: key.trim() });
          setHasKey(true);
        }}
      >
        <label>
          Write key, to send files
          <input name="key" type="password" autocomplete="off" required />
        </label>
        <button type="submit">Use it</button>
      </form>
    );
  return (
    <div
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files);
      }}
    >
      <p>
        Drop a file of orders here, or{" "}
        <button type="button" onClick={() => input.current?.click()}>
          choose one
        </button>
      </p>
      <p class="soft">CSV, JSON Lines or XLSX, plain or gzip. The layout is recognised from its header.</p>
      <input
        ref={input}
        type="file"
        multiple
        class="visually-hidden"
        aria-label="Files to send"
        tabIndex={-1}
        onChange={(event) => void take(event.currentTarget.files)}
      />
      {sending.map(({ name, sent, problem }) => (
        <div key={name} class="sending">
          <span>{name}</span>
          {problem === undefined ? (
            <progress value={sent} max={1} aria-label={`${name} sent`}>
              {percent(sent, 0)}
            </progress>
          ) : (
            <span class="problem" role="alert">
              {problem}
            </span>
          )}
        </div>
      ))}
    </div>
  );
};

/** fetch does not tell how much of a body is sent; XMLHttpRequest does. @throws ApiProblem */
const send = async (file: File, onProgress: (sent: number) => void): Promise<void> => {
  const opened = await post<OpenedUpload>("/v1/uploads", { content: "upload_url", filename: file.name });
  await new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(opened.upload.method, opened.upload.url);
    for (const [name, value] of Object.entries(opened.upload.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    request.onload = () =>
      request.status < 300
        ? resolve()
        : reject(new ApiProblem(request.status, `The file was not taken (${request.status}).`));
    request.onerror = () =>
      reject(new ApiProblem(0, "The connection was lost. Send the file again: nothing is counted twice."));
    request.send(file);
  });
};
