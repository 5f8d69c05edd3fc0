// What the isolation programs of node share. Arguments host port user database connections turns.
const assert = require("assert");
const [host, port, user, database, connections, turns] = process.argv.slice(2);

let checked = 0;
const check = (got, expected, what) => { assert.deepStrictEqual(got, expected, what); ++checked; };
const lost = (error) => !(error instanceof assert.AssertionError) && /crashed|terminat|closed|not queryable|ECONNRESET|Connection/i.test(String(error));

// Runs attempt(number, turn) for every client at once; after a lost server forget(number), then again.
async function run(attempt, forget) {
  const work = async (number) => {
    for (let turn = 0; turn < turns; ++turn) {
      for (let left = 40; ; --left) {
        try {
          await attempt(number, turn);
          break;
        } catch (error) {
          if (!left || !lost(error)) throw error;
          await forget(number);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    }
    await forget(number);
  };
  try {
    await Promise.all([...Array(Number(connections)).keys()].map(work));
    console.log(`ok ${checked}`);
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

module.exports = { check, connections: Number(connections), run, where: { host, port: Number(port), user, database, password: "zzzz" } };
