#include "cluster/news.h"

#include "test.h"

TEST(the_least_told_comes_first_and_each_once_in_a_round) {
    static mesh_news_queue queue;
    mesh_news first = {0}, second = {0};
    mesh_news_init(&queue);
    mesh_news_add(&queue, &first);
    mesh_news_begin(&queue);
    EXPECT_TRUE(mesh_news_next(&queue, NULL) == &first);
    mesh_news_told(&queue, &first, 8);
    EXPECT_TRUE(mesh_news_next(&queue, NULL) == NULL);
    mesh_news_add(&queue, &second);
    mesh_news_begin(&queue);
    EXPECT_TRUE(mesh_news_next(&queue, NULL) == &second);
    EXPECT_TRUE(mesh_news_next(&queue, &second) == &first);
    EXPECT_TRUE(mesh_news_next(&queue, &first) == NULL);
}

TEST(it_is_told_so_often_and_then_forgotten) {
    static mesh_news_queue queue;
    mesh_news news = {0};
    int told = 0;
    mesh_news_init(&queue);
    mesh_news_add(&queue, &news);
    for (; queue.count > 0; told++) {
        mesh_news_begin(&queue);
        mesh_news_told(&queue, mesh_news_next(&queue, NULL), 8);
    }
    EXPECT_EQ(8, told);
    mesh_news_drop(&queue, &news); // nothing
    EXPECT_EQ(0, queue.count);
}

TEST(what_becomes_news_again_is_untold) {
    static mesh_news_queue queue;
    mesh_news news = {0};
    mesh_news_init(&queue);
    mesh_news_add(&queue, &news);
    mesh_news_begin(&queue);
    mesh_news_told(&queue, &news, 8);
    mesh_news_add(&queue, &news);
    EXPECT_EQ(1, queue.count);
    EXPECT_EQ(0, news.tries);
}
