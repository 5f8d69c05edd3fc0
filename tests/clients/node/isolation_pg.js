// node-pg in an app with row-level security: the tenant is bound into set_config, the schema is set as text; the last
// client sets nothing, an odd one serves another tenant at every turn.
const { Client } = require("pg");
const { check, connections, run, where } = require("./isolation");

const clients = {};

async function open(number) {
  const client = new Client({ ...where, ...(number % 4 === 2 ? { statement_timeout: 8000, options: "-c app.region=north" } : {}) });
  client.on("error", () => {});
  await client.connect();
  return { client, tenant: null };
}

async function seen(client) {
  const { rows } = await client.query({ name: "seen", text: "select array_agg(distinct tenant) as tenants, count(*)::int as n from client_rows where n > $1", values: [0] });
  return rows[0];
}

run(async (number, turn) => {
  const mine = clients[number] = clients[number] || await open(number);
  const { client } = mine;
  const region = (await client.query("select current_setting('app.region', true) as r, current_setting('statement_timeout') as t")).rows[0];
  check([region.r || null, region.t], number % 4 === 2 ? ["north", "8s"] : [null, "0"], `the startup of client ${number}`);
  if (number === connections - 1) {
    check(await seen(client), { tenants: null, n: 0 }, "the client that set nothing");
    check((await client.query("show search_path")).rows[0].search_path, '"$user", public', "its path");
    return;
  }
  const tenant = number % 2 ? (number + turn) % connections : number;
  if (mine.tenant !== tenant) {
    await client.query("select set_config($1, $2, false)", ["app.tenant", `t${tenant}`]);
    await client.query(`set search_path to tenant_${tenant}, public`);
    mine.tenant = tenant;
  }
  check(await seen(client), { tenants: [`t${tenant}`], n: 5 }, `the rows of client ${number}`);
  check((await client.query("select name from home")).rows, [{ name: `tenant_${tenant}` }], `the home of client ${number}`);
  await client.query("begin");
  await client.query("select set_config('app.tenant', $1, true)", ["nobody"]);
  check(await seen(client), { tenants: null, n: 0 }, "for one transaction");
  await client.query(turn % 2 ? "commit" : "rollback");
  check(await seen(client), { tenants: [`t${tenant}`], n: 5 }, "after it");
}, async (number) => {
  const mine = clients[number];
  delete clients[number];
  if (mine) mine.client.end().catch(() => {});
});
