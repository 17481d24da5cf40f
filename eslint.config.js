import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  // The stacks' types are generated under .sst and checked by `npm run stacks:types`; without them every line is unsafe.
  { ignores: ["node_modules", ".sst", ".ebb", "**/*.mjs", "**/*.js", "stacks", "sst.config.ts"] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      // Omitting a key by rest is the idiom here; the name says that it is dropped.
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // Ports are promises; an adapter that answers at once is still async.
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    // node:test's functions return promises that the runner awaits.
    files: ["**/*.test.ts", "packages/ports/src/contracts/**"],
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: ["test", "it", "describe", "suite", "before", "after", "beforeEach", "afterEach"],
            },
          ],
        },
      ],
    },
  },
);
