<?php
// PHP PDO with prepared statements of the server's: arguments host port user database connections turns.
[, $host, $port, $user, $database, $connections, $turns] = $argv;

function open_one() {
    global $host, $port, $user, $database;
    return new PDO("pgsql:host=$host;port=$port;dbname=$database", $user, "zzzz",
                   [PDO::ATTR_EMULATE_PREPARES => false, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

$checked = 0;
$pdo = $kept = [];
function prepare_all($number) {
    global $pdo, $kept;
    $pdo[$number] = open_one();
    $kept[$number] = [$pdo[$number]->prepare("select name from client_items where id = ?"),
                      $pdo[$number]->prepare("select id from client_items where name = :name")];
}
function check($condition, $what) {
    global $checked;
    if (!$condition) throw new LogicException($what);
    ++$checked;
}
for ($turn = 0; $turn < $turns; ++$turn) {
    for ($number = 0; $number < $connections; ++$number) {
        for ($attempt = 0; ; ++$attempt) {
            try {
                if (!isset($pdo[$number])) prepare_all($number);
                $id = ($turn + $number) % 20 + 1;
                [$by_id, $by_name] = $kept[$number];
                $by_id->execute([$id]);
                check($by_id->fetchColumn() === "item $id", "by id");
                $by_name->execute(["name" => "item $id"]);
                check((int)$by_name->fetchColumn() === $id, "by name");
                $pdo[$number]->beginTransaction();
                // Prepared, run and deallocated at once.
                $own = $pdo[$number]->prepare("select count(*) from client_items where id <= ?");
                $own->execute([$id]);
                check((int)$own->fetchColumn() === $id, "count");
                $own = null;
                $pdo[$number]->commit();
                break;
            } catch (PDOException $error) {
                if ($attempt > 20 || !preg_match('/crashed|terminat|closed|no connection|SSL|connect/i', $error->getMessage())) throw $error;
                usleep(50000);
                unset($pdo[$number], $kept[$number]);
            }
        }
    }
}
echo "ok $checked\n";
