// pgx with its statement cache, and what it tells of a login:
//
//	with_pgx host port user database connections turns                prints "ok N"
//	with_pgx refused host user database, then password and port in turns: prints SQLSTATE and text of each
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

var checked int64
var background = context.Background()

// A wrong answer; nothing is tried again after it.
type wrong struct{ what string }

func (w wrong) Error() string { return "wrong answer: " + w.what }

func check(right bool, what string) error {
	if !right {
		return wrong{what}
	}
	atomic.AddInt64(&checked, 1)
	return nil
}

func open(where string) (*pgx.Conn, error) {
	within, cancel := context.WithTimeout(background, 10*time.Second)
	defer cancel()
	return pgx.Connect(within, where)
}

func ask(conn interface {
	QueryRow(context.Context, string, ...interface{}) pgx.Row
}, id int) error {
	var name string
	if err := conn.QueryRow(background, "select name from client_items where id = $1", id).Scan(&name); err != nil {
		return err
	}
	return check(name == fmt.Sprintf("item %d", id), "by id")
}

// Several statements in one message, each with an answer of its own.
func batch(tx pgx.Tx, id int) error {
	both := &pgx.Batch{}
	both.Queue("select id from client_items where name = $1", fmt.Sprintf("item %d", id))
	both.Queue("insert into client_log values ($1, $2)", id, "a")
	both.Queue("select count(*) from client_items where id <= $1", id)
	results := tx.SendBatch(background, both)
	defer results.Close()
	var by_name, count int
	if err := results.QueryRow().Scan(&by_name); err != nil {
		return err
	}
	if _, err := results.Exec(); err != nil {
		return err
	}
	if err := results.QueryRow().Scan(&count); err != nil {
		return err
	}
	return check(by_name == id && count == id, "batch")
}

// More texts than it keeps: it deallocates the oldest.
func evict(conn *pgx.Conn, id int) error {
	for extra := 0; extra < 5; extra++ {
		var sum int
		if err := conn.QueryRow(background, fmt.Sprintf("select %d + $1::int", extra), id).Scan(&sum); err != nil {
			return err
		}
		if err := check(sum == extra+id, "evicted"); err != nil {
			return err
		}
	}
	return nil
}

func once(conn *pgx.Conn, id int) error {
	if err := ask(conn, id); err != nil {
		return err
	}
	if err := conn.BeginFunc(background, func(tx pgx.Tx) error {
		if err := ask(tx, id); err != nil {
			return err
		}
		return batch(tx, id)
	}); err != nil {
		return err
	}
	return evict(conn, id)
}

// Whether the connection is gone, by a killed server, rather than that it was answered with an error.
func gone(conn *pgx.Conn, err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.HasPrefix(refused.Code, "08") || strings.HasPrefix(refused.Code, "57")
	}
	var answer wrong
	return !errors.As(err, &answer) && (conn == nil || conn.IsClosed())
}

func work(where string, number, turns int) error {
	var conn *pgx.Conn
	for turn := 0; turn < turns; turn++ {
		for attempt := 0; ; attempt++ {
			var err error
			if conn == nil {
				conn, err = open(where)
			}
			if err == nil {
				err = once(conn, (turn+number)%20+1)
			}
			if err == nil {
				break
			}
			if attempt == 20 || !gone(conn, err) {
				return err
			}
			if conn != nil {
				conn.Close(background)
			}
			conn = nil
			time.Sleep(50 * time.Millisecond)
		}
	}
	return conn.Close(background)
}

func clients(host, port, user, database string, connections, turns int) error {
	where := fmt.Sprintf("host=%s port=%s user=%s dbname=%s password=zzzz sslmode=disable statement_cache_capacity=4", host, port, user, database)
	failed := make(chan error, connections)
	var all sync.WaitGroup
	for number := 0; number < connections; number++ {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			if err := work(where, number, turns); err != nil {
				failed <- err
			}
		}(number)
	}
	all.Wait()
	close(failed)
	return <-failed
}

func login(where string) (string, error) {
	conn, err := open(where)
	if err != nil {
		return "", err
	}
	defer conn.Close(background)
	var text string
	return text, conn.QueryRow(background, "select 'in'::text").Scan(&text)
}

func refused(host, user, database string, logins []string) {
	for i := 0; i+1 < len(logins); i += 2 {
		where := fmt.Sprintf("host=%s port=%s user=%s dbname=%s password=%s sslmode=disable", host, logins[i+1], user, database, logins[i])
		text, err := login(where)
		var told *pgconn.PgError
		switch {
		case err == nil:
			fmt.Println("00000", text)
		case errors.As(err, &told):
			fmt.Println(told.Code, told.Message)
		default:
			fmt.Println("?????", err)
		}
	}
}

func main() {
	a := os.Args[1:]
	if a[0] == "refused" {
		refused(a[1], a[2], a[3], a[4:])
		return
	}
	connections, _ := strconv.Atoi(a[4])
	turns, _ := strconv.Atoi(a[5])
	if err := clients(a[0], a[1], a[2], a[3], connections, turns); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok", checked)
}
