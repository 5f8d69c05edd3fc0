// What node-pg tells of a login: arguments host user database, then password and port in turns. Prints SQLSTATE and text.
const { Client } = require("pg");
const [host, user, database, ...logins] = process.argv.slice(2);

async function main() {
  for (let i = 0; i < logins.length; i += 2) {
    const client = new Client({ host, user, database, password: logins[i], port: Number(logins[i + 1]) });
    client.on("error", () => {});
    try {
      await client.connect();
      console.log("00000", (await client.query("select 'in' as text")).rows[0].text);
      await client.end();
    } catch (error) {
      console.log(error.code, error.message);
    }
  }
}

main();
