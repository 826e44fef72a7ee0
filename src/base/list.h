/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked list. A struct list is a head or a link inside a record; both are made
 * by list_init(). A link that is in no list points at itself, so list_del() is idempotent.
 */
#ifndef WEFT_BASE_LIST_H
#define WEFT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#ifndef container_of
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#endif

static inline void list_init(struct list *list)
{
	list->next = list;
	list->prev = list;
}

/* The head has no entries, or the link is in no list. */
static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_between(struct list *prev, struct list *link, struct list *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

/* The link must be in no list. */
static inline void list_add_tail(struct list *head, struct list *link)
{
	list_insert_between(head->prev, link, head);
}

/* The link must be in no list. */
static inline void list_add_head(struct list *head, struct list *link)
{
	list_insert_between(head, link, head->next);
}

static inline void list_del(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* The same for a link that is about to be made anew: it is left as it was. */
static inline void list_drop(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
}

static inline void list_move_tail(struct list *head, struct list *link)
{
	list_drop(link);
	list_add_tail(head, link);
}

/* Moves all entries of from, in order, to the tail of head; from is empty afterwards. */
static inline void list_splice_tail(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

/* First entry, NULL if there is none. */
static inline struct list *list_first(const struct list *head)
{
	return list_empty(head) ? NULL : head->next;
}

/* Takes the first entry out; NULL if there is none. */
static inline struct list *list_pop(struct list *head)
{
	struct list *link = list_first(head);

	if (link)
		list_del(link);
	return link;
}

/* The first becomes the last. */
static inline void list_rotate(struct list *head)
{
	struct list *link = list_pop(head);

	if (link)
		list_add_tail(head, link);
}

#define list_entry(link, type, member) container_of(link, type, member)

/* The list must not change under it. */
#define list_for_each(link, head) \
	for ((link) = (head)->next; (link) != (head); (link) = (link)->next)

/* The body may take the current entry out (and only that one). */
#define list_for_each_safe(link, after, head)                                 \
	for ((link) = (head)->next, (after) = (link)->next; (link) != (head); \
	     (link) = (after), (after) = (link)->next)

#endif /* WEFT_BASE_LIST_H */
