/**
 * The model as an ONNX file: from raw features to the probability, all steps inside. Operator set 17, IR version 8;
 * computed in doubles. Field numbers from onnx/onnx.proto.
 *
 * Input `features`, float [customers, features], in the order of {@link onnxInputs}; NaN or infinite: missing. A category
 * is the index of its name among the levels, −1 for any other name. Outputs `probability` and `log_odds`, double
 * [customers, 1].
 */
import type { ChurnModel, FittedFeature, ModelTerm } from "./model.ts";
import { bytes, doubles, type Field, int64s, integer, message, text } from "./protobuf.ts";

const OPSET = 17;
const IR_VERSION = 8;
const FLOAT = 1;
const INT64 = 7;
const DOUBLE = 11;

export interface OnnxInput {
  readonly feature: string;
  /** Names that the numbers 0, 1, … stand for; absent for a number. */
  readonly levels?: readonly string[];
}

/** The columns of the input, in order; also in the file's metadata as `features`. */
export const onnxInputs = ({ features }: ChurnModel): OnnxInput[] =>
  features.map((feature) =>
    feature.kind === "category" ? { feature: feature.name, levels: feature.levels } : { feature: feature.name },
  );

/** The bytes of the `.onnx` file. */
export const onnxOf = (model: ChurnModel): Uint8Array => {
  const graph = new GraphWriter();
  const input = graph.node("Cast", ["features"], [intAttribute("to", DOUBLE)]);
  const columns = model.terms.map((term) => {
    const index = model.features.findIndex(({ name }) => name === term.feature);
    const raw = graph.node("Gather", [input, graph.int64([index])], [intAttribute("axis", 1)]);
    return termNode(graph, model.features[index]!, term, raw);
  });
  const { intercept, slope } = model.recalibration;
  const mean = graph.double([intercept + slope * model.intercept]);
  let logOdds: string;
  if (columns.length === 0) {
    // Nothing but the mean, once for each customer.
    const first = graph.node("Gather", [input, graph.int64([0])], [intAttribute("axis", 1)]);
    const present = graph.node("Where", [isPresent(graph, first), graph.double([0]), graph.double([0])]);
    logOdds = graph.node("Add", [present, mean], [], "log_odds");
  } else {
    const matrix = graph.node("Concat", columns, [intAttribute("axis", 1)]);
    const centred = graph.node("Sub", [matrix, graph.double(model.terms.map((term) => term.mean))]);
    const scaled = graph.node("Div", [centred, graph.double(model.terms.map((term) => term.sd))]);
    const betas = graph.double(
      model.terms.map((term) => slope * term.beta),
      [model.terms.length, 1],
    );
    logOdds = graph.node("Add", [graph.node("MatMul", [scaled, betas]), mean], [], "log_odds");
  }
  graph.node("Sigmoid", [logOdds], [], "probability");

  return message(
    integer(1, IR_VERSION),
    text(2, "ebb"),
    bytes(7, graph.finish(model)),
    bytes(8, message(text(1, ""), integer(2, OPSET))),
    metadata("model_id", model.modelId),
    metadata("schema_hash", model.schemaHash),
    metadata("threshold", String(model.threshold)),
    metadata("features", JSON.stringify(onnxInputs(model))),
  );
};

const metadata = (name: string, value: string): Field => bytes(14, message(text(1, name), text(2, value)));

/** NaN compares as false: neither it nor an infinity is at most the largest float. */
const isPresent = (graph: GraphWriter, raw: string): string =>
  graph.node("LessOrEqual", [graph.node("Abs", [raw]), graph.double([3.4028234663852886e38])]);

/** The value of a term before standardisation, as `termOf` computes it. */
const termNode = (graph: GraphWriter, feature: FittedFeature, { part }: ModelTerm, raw: string): string => {
  const present = isPresent(graph, raw);
  const [zero, one] = [graph.double([0]), graph.double([1])];
  if (part.kind === "missing") return graph.node("Where", [present, zero, one]);
  if (feature.kind === "category") {
    const holds =
      part.kind === "level"
        ? graph.node("Equal", [raw, graph.double([feature.levels.indexOf(part.level)])])
        : graph.node("And", [present, graph.node("Less", [raw, zero])]);
    return graph.node("Where", [holds, one, zero]);
  }
  let value = graph.node("Where", [present, raw, graph.double([feature.imputed])]);
  if (feature.lower !== null) value = graph.node("Max", [value, graph.double([feature.lower])]);
  if (feature.upper !== null) value = graph.node("Min", [value, graph.double([feature.upper])]);
  if (feature.log === "none") return value;
  const log = graph.node("Log", [graph.node("Add", [graph.node("Abs", [value]), one])]);
  return graph.node("Mul", [graph.node("Sign", [value]), log]);
};

const intAttribute = (name: string, value: number): Field =>
  bytes(5, message(text(1, name), integer(3, value), integer(20, 2)));

/** Collects nodes and constants under names of their own. */
class GraphWriter {
  readonly #nodes: Field[] = [];
  readonly #constants = new Map<string, { readonly name: string; readonly field: Field }>();

  /** Adds an operation and returns the name of its result. */
  node(operation: string, inputs: readonly string[], attributes: readonly Field[] = [], output?: string): string {
    const name = output ?? `${operation.toLowerCase()}_${this.#nodes.length}`;
    this.#nodes.push(
      bytes(1, message(...inputs.map((input) => text(1, input)), text(2, name), text(4, operation), ...attributes)),
    );
    return name;
  }

  double(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#constant(DOUBLE, shape, values, doubles(values));
  }

  int64(values: readonly number[]): string {
    return this.#constant(INT64, [values.length], values, int64s(values));
  }

  finish(model: ChurnModel): Uint8Array {
    return message(
      ...this.#nodes,
      text(2, "churn"),
      ...[...this.#constants.values()].map(({ field }) => field),
      bytes(11, tensorInput("features", FLOAT, model.features.length)),
      bytes(12, tensorInput("probability", DOUBLE, 1)),
      bytes(12, tensorInput("log_odds", DOUBLE, 1)),
    );
  }

  #constant(type: number, shape: readonly number[], values: readonly number[], raw: Uint8Array): string {
    const key = `${type}:${shape.join("x")}:${values.join(",")}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known.name;
    const name = `constant_${this.#constants.size}`;
    const tensor = message(...shape.map((size) => integer(1, size)), integer(2, type), text(8, name), bytes(9, raw));
    this.#constants.set(key, { name, field: bytes(5, tensor) });
    return name;
  }
}

/** ValueInfoProto of a tensor [customers, width]. */
const tensorInput = (name: string, type: number, width: number): Uint8Array => {
  const shape = message(bytes(1, message(text(2, "customers"))), bytes(1, message(integer(1, width))));
  return message(text(1, name), bytes(2, message(bytes(1, message(integer(1, type), bytes(2, shape))))));
};
