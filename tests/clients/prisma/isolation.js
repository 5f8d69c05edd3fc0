// Prisma, each client with its own pool of one connection, named statements on: a tenant that is set for the session
// and one that is set for a transaction, as Prisma's examples of row-level security do. The last client sets nothing.
const { Pool } = require("pg");
const { PrismaPg } = require("@prisma/adapter-pg");
const { PrismaClient } = require("./generated");
const { check, connections, run, where } = require("../node/isolation");
const { namer } = require("./names");

const clients = {};

// node-pg's pool opens another connection without a word when one is lost between two transactions, hence the event.
function open(number) {
  const pool = new Pool({ ...where, max: 1 });
  pool.on("error", () => {});
  pool.on("connect", (connection) => {
    connection.on("error", () => {});
    if (number === connections - 1) return;
    connection.query("select set_config($1, $2, false)", ["app.tenant", `t${number}`]).catch(() => {});
    connection.query(`set search_path to tenant_${number}, public`).catch(() => {});
  });
  return new PrismaClient({ adapter: new PrismaPg(pool, { statementNameGenerator: namer(), disposeExternalPool: true }), errorFormat: "minimal" });
}

const rows = async (on) => (await on.$queryRaw`select string_agg(distinct tenant, ' ') as t from client_rows`)[0].t;

run(async (number, turn) => {
  const silent = number === connections - 1;
  const prisma = clients[number] = clients[number] || open(number);
  check(await rows(prisma), silent ? null : `t${number}`, `the rows of client ${number}`);
  if (!silent) check(await prisma.$queryRaw`select name from home`, [{ name: `tenant_${number}` }], `the home of client ${number}`);
  const other = `t${(number + turn) % connections}`;
  const [, found] = await prisma.$transaction([
    prisma.$queryRaw`select set_config('app.tenant', ${other}, true)`,
    prisma.$queryRaw`select string_agg(distinct tenant, ' ') as t from client_rows`]);
  check(found, [{ t: other }], "a tenant for one transaction");
  await prisma.$transaction(async (tx) => {
    await tx.$executeRawUnsafe("set local search_path to pg_catalog");
    check((await tx.$queryRaw`select current_setting('search_path') as p`)[0].p, "pg_catalog", "a path for one transaction");
  });
  check(await rows(prisma), silent ? null : `t${number}`, `the rows of client ${number} afterwards`);
}, async (number) => {
  const prisma = clients[number];
  delete clients[number];
  if (prisma) await prisma.$disconnect().catch(() => {});
});
