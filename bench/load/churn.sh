#!/bin/sh
# Two short-lived processes a second: what comes and goes has a price of its own.
while :; do
	/bin/true
	sleep 0.5
done
