# ActiveRecord as multi-tenant Rails apps use it: search_path and a setting per request, and two deployments that
# migrate at once under its advisory lock. Arguments host port user database connections turns.
require "active_record"

host, port, user, database, connections, turns = ARGV
CONNECTIONS = connections.to_i
CONFIG = {adapter: "postgresql", host: host, port: port.to_i, username: user, database: database, password: "zzzz", pool: CONNECTIONS + 1,
          prepared_statements: true, checkout_timeout: 30, variables: {lock_timeout: "7s"}}
ActiveRecord::Migration.verbose = false
LOST = /server conn crashed|terminating connection|server closed|connection|PQ/i

class Home < ActiveRecord::Base
  self.table_name = "home"
end

class Once < ActiveRecord::Migration[6.1]
  def change
    create_table(:migrated_once) { |t| t.string :name }
  end
end

def expect(got, expected, what)
  raise "#{what}: #{got.inspect} and not #{expected.inspect}" unless got == expected
  1
end

def retried(fresh = -> { ActiveRecord::Base.connection.reconnect! })
  attempts = 0
  begin
    yield
  rescue ActiveRecord::StatementInvalid, ActiveRecord::ConnectionNotEstablished, PG::Error => error
    raise unless error.message =~ LOST && (attempts += 1) < 40
    sleep 0.05
    begin
      fresh.call
    rescue ActiveRecord::StatementInvalid, ActiveRecord::ConnectionNotEstablished, PG::Error
      retry
    end
    retry
  end
end

# What a deployment does: whoever has the lock migrates, the other finds it done.
def migrate
  attempts = 0
  begin
    ActiveRecord::Base.establish_connection(CONFIG)
    ActiveRecord::Migrator.new(:up, [Once.new("Once", 1)], ActiveRecord::SchemaMigration).migrate
  rescue StandardError => error # a migration wraps what went wrong
    raise error if (attempts += 1) > 60
    sleep 0.05
    retry
  end
end

def setting(name)
  ActiveRecord::Base.connection.select_value("select current_setting('#{name}', true)")
end

# The last client never says a word about its session; an odd one changes tenants at every turn.
def request(number, turn)
  connection = ActiveRecord::Base.connection
  return expect([setting("search_path"), setting("app.tenant").presence, setting("lock_timeout")], ["\"$user\", public", nil, "7s"], "the last client") if number == CONNECTIONS - 1
  tenant = number.odd? ? (number + turn) % CONNECTIONS : number
  connection.schema_search_path = "tenant_#{tenant}, public"
  connection.exec_query("select set_config($1, $2, false)", "tenant", [["name", "app.tenant"], ["value", "t#{tenant}"]].map { |n, v| ActiveRecord::Relation::QueryAttribute.new(n, v, ActiveRecord::Type::String.new) })
  right = 3.times.sum do
    expect(Home.pluck(:name), ["tenant_#{tenant}"], "the home of client #{number}") +
      expect(connection.select_value("select string_agg(distinct tenant, ' ') from client_rows"), "t#{tenant}", "the rows of client #{number}")
  end
  Home.transaction do
    connection.execute("set local app.tenant = 'somebody'")
    connection.execute("set statement_timeout = '9s'")
    right += expect(connection.select_value("select count(*) from client_rows"), 0, "set local")
    raise ActiveRecord::Rollback
  end
  right + expect([setting("app.tenant"), setting("statement_timeout")], ["t#{tenant}", "0"], "after the rollback")
end

deployments = 2.times.map { fork { migrate } }
ActiveRecord::Base.establish_connection(CONFIG)
checked = Queue.new
threads = CONNECTIONS.times.map do |number|
  Thread.new do
    Thread.current.report_on_exception = false
    turns.to_i.times { |turn| checked << retried { request(number, turn) } }
  ensure
    ActiveRecord::Base.connection_pool.release_connection
  end
end
threads.each(&:join)
deployments.each { |pid| raise "a deployment failed" unless Process.wait2(pid)[1].success? }
retried do
  expect(ActiveRecord::Base.connection.select_value("select count(*) from schema_migrations"), 1, "migrations")
  expect(ActiveRecord::Base.connection.select_value("select count(*) from pg_locks where locktype = 'advisory'"), 0, "locks that are left")
end
puts "ok #{checked.size}"
