// Evaluates expressions with the reference, one line of JSON in, one out:
// {"source", "input"} → {"value"} | {"nothing": true} | {"function": true} | {"code"}.
const jsonata = require("jsonata");
const lines = require("readline").createInterface({ input: process.stdin });

const most = 20000; // parts entered by one evaluation

async function evaluate(source, input) {
  const expression = jsonata(source);
  let entered = 0;
  expression.assign("__evaluate_entry", () => {
    if (++entered > most) throw { code: "LIMIT" };
  });
  const result = await expression.evaluate(input);
  if (typeof result === "undefined") return { nothing: true };
  if (typeof result === "function" || result?._jsonata_lambda || result?._jsonata_function) return { function: true };
  return { value: JSON.parse(JSON.stringify(result)) };
}

(async () => {
  for await (const line of lines) {
    const { source, input } = JSON.parse(line);
    let answer;
    try {
      answer = await evaluate(source, input);
    } catch (error) {
      answer = { code: error?.code || "LIMIT" }; // what has no code is the engine's own: a stack that overflows, say
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
})();
