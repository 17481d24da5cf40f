/// <reference path="./.sst/platform/config.d.ts" />

export default $config({
  app(input) {
    const production = input.stage === "production";
    return {
      name: "ebb",
      home: "aws",
      // A production stage keeps its data and refuses `sst remove`; every other stage goes without a trace.
      removal: production ? "retain" : "remove",
      protect: production,
      providers: {
        aws: { defaultTags: { tags: { app: "ebb", stage: input.stage, "ebb:cost": `ebb-${input.stage}` } } },
      },
    };
  },
  async run() {
    await import("./stacks/shared.ts");
    await import("./stacks/collect.ts");
    await import("./stacks/score.ts");
    await import("./stacks/land.ts");
    await import("./stacks/model.ts");
    await import("./stacks/sources.ts");
    const { url, dashboard } = await import("./stacks/serve.ts");
    await import("./stacks/watch.ts");
    return { url, dashboard };
  },
});
