//go:build !linux

package main

import (
	"context"
	"os"
)

func enterLab(run func() int) { os.Exit(run()) }

var errNoLab = skipped{"the LAN lab needs Linux"}

func firstMessage(context.Context, *bench) (table, error) { return table{}, errNoLab }
func recovery(context.Context, *bench) (table, error)     { return table{}, errNoLab }
func idle(context.Context, *bench) (table, error)         { return table{}, errNoLab }
func weight(context.Context, *bench) (table, error)       { return table{}, errNoLab }
func capturing(context.Context, *bench) (table, error)    { return table{}, errNoLab }
