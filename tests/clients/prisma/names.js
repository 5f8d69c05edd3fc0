// A name per text, as the adapter's statementNameGenerator wants it: node-pg then prepares each text once.
exports.namer = () => {
  const names = new Map();
  return ({ sql }) => names.get(sql) || names.set(sql, `p${names.size}`).get(sql);
};
