// Prisma's models through a pool of connections with named statements: arguments host port user database connections turns.
const { PrismaPg } = require("@prisma/adapter-pg");
const { PrismaClient } = require("./generated");
const { check, connections, run, where } = require("../node/isolation");
const { namer } = require("./names");

const clients = {};
const open = () => new PrismaClient({ adapter: new PrismaPg({ ...where, max: 2 }, { statementNameGenerator: namer(), onPoolError() {} }), errorFormat: "minimal" });

run(async (number, turn) => {
  const prisma = clients[number] = clients[number] || open();
  const id = (turn + number) % 20 + 1;
  check(await prisma.item.findUnique({ where: { id } }), { id, name: `item ${id}` }, "by id");
  const both = await Promise.all([prisma.item.findMany({ where: { id: { lte: id } }, orderBy: { id: "asc" }, take: 5 }), prisma.item.count({ where: { name: { startsWith: "item" } } })]);
  check([both[0].length, both[1]], [Math.min(id, 5), 20], "at once");
  const what = `w${number}-${turn}`;
  await prisma.$transaction(async (tx) => {
    const made = await tx.log.create({ data: { item: id, what } });
    await tx.log.update({ where: { id: made.id }, data: { what: `${what}!` } });
    check((await tx.log.findMany({ where: { id: made.id } })).map((log) => log.what), [`${what}!`], "in a transaction");
  }, { maxWait: 10000, timeout: 10000 });
}, async (number) => {
  const prisma = clients[number];
  delete clients[number];
  if (prisma) await prisma.$disconnect().catch(() => {});
});
