// node-pg with named statements: arguments host port user database connections turns.
const { Client } = require("pg");
const [host, port, user, database, connections, turns] = process.argv.slice(2);

let checked = 0;
const check = (right, what) => { if (!right) throw new Error(what); ++checked; };
const transient = /crashed|terminat|closed|not queryable|ECONNRESET|Connection/i;

async function open() {
  const client = new Client({ host, port, user, database, password: "zzzz" });
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function once(client, id) {
  const named = { name: "by-id", text: "select name from client_items where id = $1", values: [id] };
  check((await client.query(named)).rows[0].name === `item ${id}`, "by id");
  await client.query("begin");
  const both = await Promise.all([
    client.query({ name: "by-name", text: "select id from client_items where name = $1", values: [`item ${id}`] }),
    client.query({ name: "count", text: "select count(*)::int as n from client_items where id <= $1", values: [id] })]);
  check(both[0].rows[0].id === id && both[1].rows[0].n === id, "in a transaction");
  await client.query("commit");
}

async function work(number) {
  let client = null;
  for (let turn = 0; turn < turns; ++turn) {
    for (let attempt = 0; ; ++attempt) {
      try {
        client = client || await open();
        await once(client, (turn + number) % 20 + 1);
        break;
      } catch (error) {
        if (attempt > 20 || !transient.test(String(error))) throw error;
        if (client) client.end().catch(() => {});
        client = null;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
  await client.end();
}

Promise.all([...Array(Number(connections)).keys()].map(work))
  .then(() => console.log(`ok ${checked}`), (error) => { console.error(error); process.exit(1); });
