import type { LedgerLines, Pipeline, QuarantineList, Upload, Uploads } from "../answers.ts";
import { Bars } from "../charts/bars.tsx";
import { TimeSeries } from "../charts/time-series.tsx";
import { ago, count, instant, percent } from "../format.ts";
import { DropZone } from "../parts/drop-zone.tsx";
import { Panel } from "../parts/panel.tsx";
import { RunsPanel } from "../parts/runs-panel.tsx";
import { Answered, Empty } from "../parts/state.tsx";
import { Tile, Tiles } from "../parts/tiles.tsx";
import { TableHead } from "../parts/table-head.tsx";
import { type Route, changeView, linkTo } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

/** Often enough to see a file go through, seldom enough to cost nothing. */
const EVERY_MS = 2_000;
const MINUTES_MS = 10_000;

export const PipelinePage = ({ route }: { route: Route }) => {
  const uploads = useAnswer<Uploads>("/v1/uploads", { limit: 20 }, EVERY_MS);
  return (
    <>
      <h1>Pipeline</h1>
      <p class="note">
        What lies in the lake and where it comes from: the <a href={linkTo("catalogue")}>data catalogue</a>.
      </p>
      <Now />
      <div class="panels">
        <Panel title="Files" wide note="Every row of a file is accepted, a duplicate, or in quarantine with a reason.">
          <DropZone onSent={uploads.reload} />
          <Answered answer={uploads}>{({ uploads: list }) => <UploadTable uploads={list} />}</Answered>
        </Panel>
        <Refused reason={route.search.get("reason") ?? undefined} />
        <RunsPanel />
        <Requests />
      </div>
    </>
  );
};

const Now = () => {
  const pipeline = useAnswer<Pipeline>("/v1/pipeline", {}, MINUTES_MS);
  return (
    <Answered answer={pipeline}>
      {({ stages, minutes }) => {
        const times = minutes.map(({ at }) => Date.parse(at) / 1000);
        const lastHour = minutes.slice(-60);
        const sum = (name: "received" | "quarantined") => lastHour.reduce((total, minute) => total + minute[name], 0);
        return (
          <>
            <Tiles>
              <Tile name="Events in the last hour" value={count(sum("received"))} />
              <Tile
                name="Refused in the last hour"
                value={count(sum("quarantined"))}
                note={sum("received") === 0 ? undefined : percent(sum("quarantined") / sum("received"), 2)}
              />
              {stages.map(({ stage, lag_records: records, lag_ms: lagMs }) => (
                <Tile
                  key={stage}
                  name={stage === "score" ? "Waiting to be scored" : "Waiting to be landed"}
                  value={count(records ?? (lagMs ?? 0) / 1000)}
                  note={records === undefined ? "seconds behind" : "stream records"}
                />
              ))}
            </Tiles>
            <div class="panels">
              <Panel
                title="Events per minute"
                wide
                sheet={{
                  filename: "events-per-minute",
                  header: ["minute", "received", "quarantined"],
                  rows: () => minutes.map(({ at, received, quarantined }) => [at, received, quarantined]),
                }}
              >
                <TimeSeries
                  label="Events received and refused by minute"
                  times={times}
                  height={160}
                  format={count}
                  series={[
                    { name: "received", values: minutes.map((minute) => minute.received), colour: "var(--one)" },
                    { name: "quarantined", values: minutes.map((minute) => minute.quarantined), colour: "var(--bad)" },
                  ]}
                />
              </Panel>
            </div>
          </>
        );
      }}
    </Answered>
  );
};

const stateWords: Record<Upload["state"], string> = {
  awaiting_content: "waiting for its content",
  queued: "queued",
  processing: "processing",
  done: "done",
  failed: "failed",
};

const UploadTable = ({ uploads }: { uploads: readonly Upload[] }) =>
  uploads.length === 0 ? (
    <Empty title="No file has come yet." />
  ) : (
    <div class="scroll" tabIndex={0} role="region" aria-label="Files">
      <table>
        <TableHead
          columns={[
            "File",
            "State",
            { number: "Received" },
            { number: "Accepted" },
            { number: "Duplicate" },
            { number: "Quarantined" },
            "When",
          ]}
        />
        <tbody>
          {uploads.map((upload) => (
            <tr key={upload.upload_id} data-upload={upload.upload_id}>
              <th scope="row">{upload.filename ?? upload.upload_id}</th>
              <td>
                {stateWords[upload.state]} <UploadProgress upload={upload} />
                {upload.problem !== undefined && <span class="problem">{upload.problem.message}</span>}
              </td>
              {(["received", "accepted", "duplicate", "quarantined"] as const).map((name) => (
                <td key={name} class="number" data-ledger={name}>
                  {upload.ledger === undefined ? "" : count(upload.ledger[name])}
                </td>
              ))}
              <td>
                <time dateTime={upload.created_at} title={instant(upload.created_at)}>
                  {ago(upload.created_at)}
                </time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );

const UploadProgress = ({ upload: { state, progress, filename } }: { upload: Upload }) =>
  state !== "processing" || progress === undefined ? null : (
    <>
      <progress
        {...(progress.bytes_total !== undefined && { value: progress.bytes_read, max: progress.bytes_total })}
        aria-label={`${filename ?? "file"} read`}
      />{" "}
      <span class="soft">{count(progress.rows_read)} rows</span>
    </>
  );

const SAMPLE_ROWS = 20;

const Refused = ({ reason }: { reason: string | undefined }) => {
  const counts = useAnswer<QuarantineList>("/v1/quarantine", { limit: 1 }, MINUTES_MS);
  const rows = useAnswer<QuarantineList>(reason === undefined ? undefined : "/v1/quarantine", {
    code: reason,
    limit: SAMPLE_ROWS,
  });
  return (
    <Panel
      title="Quarantine by reason"
      note="What was refused is kept whole, with its reason, and can be sent again."
      sheet={{
        filename: "quarantine-by-reason",
        header: ["reason", "rows and events"],
        rows: () => Object.entries(counts.data?.counts ?? {}),
      }}
    >
      <Answered answer={counts}>
        {({ counts: byReason = {} }) => {
          const entries = Object.entries(byReason).sort(([, a], [, b]) => b - a);
          if (entries.length === 0) return <Empty title="Nothing was refused." />;
          return (
            <Bars
              label="Refused rows and events by reason"
              bars={entries.map(([name, value]) => ({
                name,
                value,
                text: count(value),
                href: `#/pipeline?reason=${encodeURIComponent(name)}`,
              }))}
            />
          );
        }}
      </Answered>
      {reason !== undefined && (
        <Answered answer={rows}>
          {({ items }) => (
            <>
              <h3>
                {reason}{" "}
                <button type="button" onClick={() => changeView({ reason: undefined })}>
                  Close
                </button>
              </h3>
              <ul class="samples">
                {items.map((item) => (
                  <li key={`${item.receipt_id} ${item.row_number}`}>
                    <p>
                      Row {count(item.row_number)}
                      {item.field !== undefined && (
                        <>
                          , <code>{item.field}</code>
                        </>
                      )}
                      : {item.message}
                    </p>
                    <pre>{item.original ?? "(not text)"}</pre>
                  </li>
                ))}
              </ul>
            </>
          )}
        </Answered>
      )}
    </Panel>
  );
};

const Requests = () => {
  const lines = useAnswer<LedgerLines>("/v1/ledger", { limit: 15 }, MINUTES_MS);
  return (
    <Panel title="Latest requests and files" wide note="received = accepted + duplicate + quarantined.">
      <Answered answer={lines}>
        {({ lines: list }) =>
          list.length === 0 ? (
            <Empty title="Nothing has arrived yet.">
              <p>
                Send a first event: <a href="/v1/docs">the API</a> tells how.
              </p>
            </Empty>
          ) : (
            <div class="scroll" tabIndex={0} role="region" aria-label="Latest requests and files">
              <table>
                <TableHead
                  columns={[
                    "When",
                    "Channel",
                    { number: "Received" },
                    { number: "Accepted" },
                    { number: "Duplicate" },
                    { number: "Quarantined" },
                  ]}
                />
                <tbody>
                  {list.map((line) => (
                    <tr key={line.receipt_id}>
                      <td>
                        <time dateTime={line.received_at}>{ago(line.received_at)}</time>
                      </td>
                      <td>{line.channel}</td>
                      <td class="number">{count(line.received)}</td>
                      <td class="number">{line.accepted === undefined ? "–" : count(line.accepted)}</td>
                      <td class="number">{line.duplicate === undefined ? "–" : count(line.duplicate)}</td>
                      <td class="number">{count(line.quarantined)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Answered>
    </Panel>
  );
};
