// SPDX-License-Identifier: GPL-2.0-or-later
//
// peer.go - the same looks by Go's crypto/tls, as scanners written in Go make them.
//
// peer MODE PORT N PARALLEL LIST; MODE: early12, early13, full12, full13. 1 when a certificate is wrong.
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type wanted struct{ name, sha256 string }

var errEnough = errors.New("enough")

func look(mode, port string, w wanted) bool {
	seen := ""
	config := &tls.Config{
		ServerName:             w.name,
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			sum := sha256.Sum256(raw[0])
			seen = hex.EncodeToString(sum[:])
			if strings.HasPrefix(mode, "early") {
				return errEnough
			}
			return nil
		},
	}
	if strings.HasSuffix(mode, "12") {
		config.MaxVersion = tls.VersionTLS12
	} else {
		config.MinVersion = tls.VersionTLS13
	}
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, 5*time.Second)
	if err != nil {
		return false
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	s := tls.Client(c, config)
	err = s.Handshake()
	_ = s.Close()
	return seen == w.sha256 && (err == nil || errors.Is(err, errEnough))
}

func list(path string) ([]wanted, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []wanted
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		all = append(all, wanted{words[0], words[1]})
	}
	return all, nil
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: peer MODE PORT N PARALLEL LIST")
		os.Exit(64)
	}
	mode, port := os.Args[1], os.Args[2]
	n, _ := strconv.Atoi(os.Args[3])
	parallel, _ := strconv.Atoi(os.Args[4])
	all, err := list(os.Args[5])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var group sync.WaitGroup
	var lock sync.Mutex
	wrong := 0
	work := make(chan int)
	for i := 0; i < parallel; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range work {
				if !look(mode, port, all[i%len(all)]) {
					lock.Lock()
					wrong++
					lock.Unlock()
				}
			}
		}()
	}
	for i := 0; i < n; i++ {
		work <- i
	}
	close(work)
	group.Wait()
	if wrong > 0 {
		fmt.Fprintln(os.Stderr, wrong, "wrong")
		os.Exit(1)
	}
}
