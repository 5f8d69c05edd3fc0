// knex: one instance per tenant, with searchPath and a hook that sets the tenant on each new connection of its pool;
// the last instance sets nothing.
const knex = require("knex");
const { check, connections, run, where } = require("./isolation");

const instances = {};

function open(number) {
  const silent = number === connections - 1;
  const mine = (connection, done) => connection.query("select set_config($1, $2, false)", ["app.tenant", `t${number}`],
    (error) => error ? done(error, connection) : connection.query("set time zone 'Asia/Tokyo'", (failed) => done(failed, connection)));
  return knex({
    client: "pg", connection: where, acquireConnectionTimeout: 5000,
    ...(silent ? {} : { searchPath: [`tenant_${number}`, "public"] }),
    pool: { min: 0, max: 1, ...(silent ? {} : { afterCreate: mine }) },
    log: { warn() {}, error() {}, deprecate() {}, debug() {} },
  });
}

run(async (number) => {
  const silent = number === connections - 1;
  const db = instances[number] = instances[number] || open(number);
  const see = async (on) => {
    const tenants = (await on("client_rows").distinct("tenant").where("n", ">", 0)).map((row) => row.tenant);
    check(tenants, silent ? [] : [`t${number}`], `the rows of client ${number}`);
    const { rows: [{ zone, path }] } = await on.raw("select current_setting('timezone') as zone, current_setting('search_path') as path");
    check([zone === "Asia/Tokyo", path.includes("tenant_")], [!silent, !silent], `the settings of client ${number}`);
    if (!silent) check(await on("home").select("name"), [{ name: `tenant_${number}` }], `the home of client ${number}`);
  };
  await see(db);
  await db.transaction(see);
  await db.transaction(async (on) => {
    await on.raw("set search_path to pg_catalog");
    await on.raw("select set_config('app.tenant', ?, false)", ["lost"]);
    throw new Error("undo");
  }).catch((error) => { if (error.message !== "undo") throw error; });
  await see(db);
}, async (number) => {
  const db = instances[number];
  delete instances[number];
  if (db) await db.destroy().catch(() => {});
});
