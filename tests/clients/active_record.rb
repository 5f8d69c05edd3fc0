# ActiveRecord with its statement cache: arguments host port user database connections turns.
require "active_record"

host, port, user, database, connections, turns = ARGV
ActiveRecord::Base.establish_connection(
  adapter: "postgresql", host: host, port: port.to_i, username: user, database: database, password: "zzzz",
  pool: connections.to_i, prepared_statements: true, statement_limit: 5, advisory_locks: false, checkout_timeout: 30)

class Item < ActiveRecord::Base
  self.table_name = "client_items"
end

def retried
  attempts = 0
  begin
    yield
  rescue ActiveRecord::StatementInvalid, ActiveRecord::ConnectionNotEstablished, PG::Error => error
    raise unless error.message =~ /server conn crashed|terminating connection|server closed|connection|PQ/i && (attempts += 1) < 20
    sleep 0.05
    begin
      ActiveRecord::Base.connection.reconnect!
    rescue ActiveRecord::StatementInvalid, ActiveRecord::ConnectionNotEstablished, PG::Error
      # The statement tells what is wrong.
    end
    retry
  end
end

checked = Queue.new
threads = connections.to_i.times.map do |number|
  Thread.new do
    Thread.current.report_on_exception = false
    turns.to_i.times do |turn|
      retried { raise "where" unless Item.where(id: number + 1).pluck(:name) == ["item #{number + 1}"] }
      retried { raise "find" unless Item.find_by(name: "item #{turn % 20 + 1}").id == turn % 20 + 1 }
      retried do
        Item.transaction { raise "count" unless Item.where("id <= ?", 10).count == 10 && Item.find(1).name == "item 1" }
      end
      3.times { checked << 1 }
    end
  ensure
    ActiveRecord::Base.connection_pool.release_connection
  end
end
threads.each(&:join)
puts "ok #{checked.size}"
