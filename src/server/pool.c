#include "server/pool.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

struct queue {
	struct job *first;
	struct job **last;
};
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queue todo, done;
	size_t waiting;
	bool stopping;
	int wake_fd;
	unsigned int nthreads;
	pthread_t threads[];
};

static void queue_put(struct queue *q, struct job *j)
{
	j->next = NULL;
	*q->last = j;
	q->last = &j->next;
}

static struct job *queue_take(struct queue *q)
{
	struct job *j = q->first;

	if (j) {
		q->first = j->next;
		if (!q->first)
			q->last = &q->first;
	}
	return j;
}

static void *worker(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job *j = queue_take(&p->todo);

		if (!j && p->stopping)
			break;
		if (!j) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		p->waiting--;
		pthread_mutex_unlock(&p->lock);
		j->run(j);
		pthread_mutex_lock(&p->lock);
		queue_put(&p->done, j);
		(void)!eventfd_write(p->wake_fd, 1);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the loop: workers block all of them. */
static int start_thread(struct pool *p, pthread_t *ret)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret, NULL, worker, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int pool_new(unsigned int threads, int wake_fd, struct pool **ret, struct err *e)
{
	struct pool *p = mem_calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->todo.last = &p->todo.first;
	p->done.last = &p->done.first;
	p->wake_fd = wake_fd;
	for (; p->nthreads < threads; p->nthreads++) {
		int r = start_thread(p, &p->threads[p->nthreads]);

		if (r < 0) {
			pool_free(p);
			return err_sys(e, r, "cannot start a worker thread");
		}
	}
	*ret = p;
	return 0;
}

void pool_stop(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	p->nthreads = 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pool_stop(p);
	pool_collect(p);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pool_submit(struct pool *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	queue_put(&p->todo, j);
	p->waiting++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

void pool_collect(struct pool *p)
{
	for (;;) {
		pthread_mutex_lock(&p->lock);
		struct job *j = queue_take(&p->done);

		pthread_mutex_unlock(&p->lock);
		if (!j)
			return;
		j->done(j);
	}
}

size_t pool_waiting(struct pool *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->waiting;
	pthread_mutex_unlock(&p->lock);
	return n;
}
