#include "balance.h"

#include "test.h"

static balance table; // large

static void set(uint32_t place, uint32_t connections) {
    table.places[place].load = 1 + connections;
    if (table.count <= place) table.count = place + 1;
}

static bool is_turn_of(uint32_t place) {
    uint32_t turns;
    return balance_is_my_turn(&table, place, &turns);
}

static void clear(void) {
    table = (balance){0};
}

TEST(who_has_the_fewest_takes_the_next_connection) {
    clear();
    set(0, 3);
    set(1, 2);
    EXPECT_TRUE(!is_turn_of(0));
    EXPECT_TRUE(is_turn_of(1));
}

TEST(with_equal_numbers_anybody_may) {
    clear();
    set(0, 2);
    set(1, 2);
    EXPECT_TRUE(is_turn_of(0) && is_turn_of(1));
}

TEST(of_many_connections_a_few_more_do_not_matter) {
    clear();
    set(0, 68);
    set(1, 64);
    EXPECT_TRUE(is_turn_of(0));
    set(0, 69);
    EXPECT_TRUE(!is_turn_of(0));
}

TEST(one_that_accepts_nothing_is_waited_for_by_nobody) {
    clear();
    set(0, 9);
    set(1, 0);
    table.places[1].load = BALANCE_CLOSED;
    EXPECT_TRUE(is_turn_of(0));
}

TEST(turns_of_those_that_have_fewer_tell_whether_they_are_stuck) {
    clear();
    uint32_t turns;
    set(0, 9);
    set(1, 0);
    table.places[0].turns = 100;
    table.places[1].turns = 7;
    EXPECT_TRUE(!balance_is_my_turn(&table, 0, &turns));
    EXPECT_EQ(7, turns);
}

TEST(a_process_that_ended_gives_its_place_to_the_next) {
    clear();
    EXPECT_EQ(0, balance_take(&table, 10));
    EXPECT_EQ(1, balance_take(&table, 11));
    table.places[0].load = 5;
    balance_free(&table, 10);
    EXPECT_EQ(BALANCE_CLOSED, table.places[0].load);
    EXPECT_EQ(0, balance_take(&table, 12));
    EXPECT_EQ(1, table.places[0].load);
}

TEST(there_is_a_last_place) {
    clear();
    for (uint32_t i = 0; i < BALANCE_PLACES; i++)
        EXPECT_EQ(i, balance_take(&table, i + 1));
    EXPECT_EQ(BALANCE_PLACES, balance_take(&table, BALANCE_PLACES + 1));
}
