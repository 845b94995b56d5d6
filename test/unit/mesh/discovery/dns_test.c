// Against a real dnsmasq.
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "finder.h"
#include "port.h"
#include "test.h"

static finder f;
static daemon_process server;
static char servers[32];

// Starts dnsmasq with these lines of configuration, at the port of the last one that was stopped.
static void serve(const char *lines) {
    static uint16_t port;
    char config[300], argument[320], log[300], text[32768];
    if (port == 0) port = test_free_port();
    (void)snprintf(config, sizeof config, "%s", finder_path("dnsmasq.conf"));
    (void)snprintf(log, sizeof log, "%s", finder_path("dnsmasq.log"));
    (void)snprintf(argument, sizeof argument, "--conf-file=%s", config);
    (void)snprintf(servers, sizeof servers, "127.0.0.1:%u", port);
    (void)snprintf(text, sizeof text,
                   "port=%u\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n"
                   "local=/test/\nlocal=/_tcp.test/\nuser=root\npid-file=\n%s",
                   port, lines);
    finder_write(config, text);
    server = daemon_start((char *[]){"dnsmasq", "--keep-in-foreground", argument, NULL}, port, log);
}

static void look_for(const char *source) {
    finder_init(&f, source);
    f.options.dns_servers = servers;
    finder_open(&f);
}

static void end(void) {
    finder_close(&f);
    daemon_stop(&server);
}

TEST(a_name_gives_all_its_addresses_of_both_kinds) {
    serve("host-record=cluster.test,10.0.0.1,fd00::1\nhost-record=cluster.test,10.0.0.2\n");
    look_for("dns:cluster.test:7400");
    finder_wait_count(&f, 3);
    EXPECT_TRUE(finder_has(&f, "10.0.0.1:7400"));
    EXPECT_TRUE(finder_has(&f, "10.0.0.2:7400"));
    EXPECT_TRUE(finder_has(&f, "fd00::1:7400"));
    EXPECT_TEXT("cluster.test", f.found[0].host);
    end();
}

TEST(srv_records_give_hosts_and_ports) {
    serve("srv-host=_warren._tcp.test,h1.test,7401,1\nsrv-host=_warren._tcp.test,h2.test,7402,2\n"
          "host-record=h1.test,10.0.0.1\nhost-record=h2.test,fd00::2\n");
    look_for("srv:_warren._tcp.test");
    finder_wait_count(&f, 2);
    EXPECT_TRUE(finder_has(&f, "10.0.0.1:7401"));
    EXPECT_TRUE(finder_has(&f, "fd00::2:7402"));
    EXPECT_TEXT("h1.test", f.found[0].host); // the smallest priority is told first
    end();
}

TEST(an_srv_target_without_an_address_does_not_keep_the_others_out) {
    serve("srv-host=_warren._tcp.test,gone.test,7401\nsrv-host=_warren._tcp.test,h2.test,7402\n"
          "host-record=h2.test,10.0.0.2\n");
    look_for("srv:_warren._tcp.test");
    finder_wait_has(&f, "10.0.0.2:7402");
    EXPECT_TEXT("cannot resolve gone.test: the name does not exist", finder_status(&f, 0).error);
    end();
}

TEST(an_answer_too_long_for_udp_comes_by_tcp_and_is_cut_at_256) {
    char lines[300 * 40] = "", *at = lines;
    for (int i = 0; i < 300; i++)
        at += sprintf(at, "host-record=cluster.test,10.0.%d.%d\n", i / 100, i % 100 + 1);
    serve(lines);
    look_for("dns:cluster.test:7400");
    finder_wait_count(&f, 256);
    EXPECT_EQ(256, f.found_count);
    end();
}

TEST(a_name_that_is_gone_removes_nobody_and_is_found_when_it_is_back) {
    serve("host-record=cluster.test,10.0.0.1,5\n");
    look_for("dns:cluster.test:7400");
    finder_wait_has(&f, "10.0.0.1:7400");
    daemon_stop(&server);
    serve("");
    finder_wait_error(&f, "cannot resolve cluster.test: the name does not exist");
    EXPECT_EQ(1, finder_status(&f, 0).candidate_count);
    daemon_stop(&server);
    serve("host-record=cluster.test,10.0.0.2\n");
    finder_wait_has(&f, "10.0.0.2:7400");
    end();
}

TEST(a_server_that_is_down_removes_nobody) {
    serve("host-record=cluster.test,10.0.0.1,5\n");
    look_for("dns:cluster.test:7400");
    finder_wait_has(&f, "10.0.0.1:7400");
    daemon_stop(&server);
    finder_wait_error(&f, "cannot resolve cluster.test: no name server");
    EXPECT_EQ(1, finder_status(&f, 0).candidate_count);
    end();
}

TEST(a_name_without_a_record_of_the_type_says_so) {
    serve("txt-record=_warren._tcp.test,nothing\n");
    look_for("srv:_warren._tcp.test");
    finder_wait_error(&f, "the name exists, but has no record of this type");
    end();
}

// The log of dnsmasq has a line for each question.
static int count_questions(const char *name) {
    char command[300];
    (void)snprintf(command, sizeof command, "grep -c 'query\\[A\\] %s ' '%s'", name,
                   finder_path("dnsmasq.log"));
    FILE *output = popen(command, "re");
    int count = -1;
    EXPECT_EQ(1, fscanf(output, "%d", &count));
    pclose(output);
    return count;
}

TEST(a_time_to_live_is_waited_for_and_five_seconds_at_least) {
    (void)remove(finder_path("dnsmasq.log"));
    serve("host-record=long.test,10.0.0.1,60\nhost-record=short.test,10.0.0.2,1\n"
          "log-queries\nlog-facility=-\n");
    finder_init(&f, "dns:long.test:7400");
    finder_add(&f, "dns:short.test:7400");
    f.options.dns_servers = servers;
    finder_open(&f);
    finder_wait_count(&f, 2);
    uint64_t first_ms = finder_status(&f, 1).success_at_ms;
    finder_wait_success(&f, 1, first_ms);
    EXPECT_TRUE(finder_status(&f, 1).success_at_ms - first_ms >= 4990);
    EXPECT_EQ(2, count_questions("short.test"));
    EXPECT_EQ(1, count_questions("long.test"));
    end();
}
