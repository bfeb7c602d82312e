# vmcast: `make help` lists what can be made.
#
# Everything built lands in $(BUILD). SAN=1 builds with address and undefined-behaviour sanitizers (in build/san),
# CC=clang with clang, V=1 shows commands, T=NAME runs the tests whose name contains NAME.

SAN     ?=
V       ?=
T       ?=
ROOT    ?=
ARM64   ?=
CA      ?=
BUILD   ?= build$(if $(SAN),/san)
DESTDIR ?=
PREFIX  ?= /usr/local

# One job for each processor; a make started by this one shares its jobs.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))
export BUILD

# ---------------------------------------------------------------- what it stands on (Debian 12)
BUILD_PACKAGES := build-essential pkg-config ca-certificates curl xz-utils cpio kmod zstd squashfs-tools \
	libcurl4-openssl-dev libxml2-dev libsqlite3-dev libmicrohttpd-dev libjansson-dev libzstd-dev liblzma-dev \
	libbz2-dev liblz4-dev zlib1g-dev nettle-dev libc-ares-dev libarchive-dev libxxhash-dev libseccomp-dev libnbd-dev libsodium-dev libgnutls28-dev dpkg-dev
LAB_PACKAGES := qemu-system-x86 qemu-utils ovmf iproute2 dnsmasq-base mmdebstrap arch-test e2fsprogs dosfstools mtools \
	fdisk grub-pc-bin grub-efi-amd64-bin grub-common xfsprogs btrfs-progs socat nginx-light netpbm jq uidmap busybox-static
TEST_PACKAGES := perl openssl dmsetup libarchive-tools gnupg gpgv zip p7zip-full lz4 genisoimage xorriso xxhash clang clang-format cppcheck shellcheck time bzip2 gzip sqlite3 libclang-rt-14-dev llvm mandoc \
	libxml2-utils procps systemd util-linux strace libnbd-bin nbdkit python3-cryptography python3-securesystemslib swtpm gdisk rsync
# What `make secure-boot` signs with, and the part of a unified kernel that starts it.
SECURE_BOOT_PACKAGES := sbsigntool systemd-boot-efi openssl binutils
# What vmcast-boot is measured beside. Not swupdate, which would start a service; it takes part where it is installed.
BENCH_PACKAGES := qemu-block-extra bmap-tools casync partclone rauc dbus-daemon zsync

CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Wshadow -Werror -fstack-protector-strong -ffunction-sections -fdata-sections
LDFLAGS  += -Wl,--gc-sections
ifneq ($(SAN),)
CFLAGS   += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=address,undefined
else
CPPFLAGS += $(if $(findstring -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2)
endif

LIB_PKGS     := libcurl jansson libzstd nettle
SERVICE_PKGS := libxml-2.0 sqlite3 libmicrohttpd liblzma liblz4 zlib libseccomp libnbd $(LIB_PKGS)
service_cflags = $(shell pkg-config --cflags $(SERVICE_PKGS) 2>/dev/null)
service_libs   = $(shell pkg-config --libs $(SERVICE_PKGS) 2>/dev/null) -lbz2 -lpthread
# What opens archives is linked to what it needs for that, and to nothing else that could be misused.
unpack_libs    = $(shell pkg-config --libs libarchive libxml-2.0 liblzma liblz4 zlib libzstd jansson nettle 2>/dev/null) -lbz2
sandbox_libs   = $(shell pkg-config --libs libseccomp jansson 2>/dev/null)
# mbedTLS is that of bootloader/deps everywhere; Debian 12's is out of upstream support.
tuf_libs       = build/static/lib/libmbedcrypto.a -l:libsodium.a
# Private keys; the client only has public ones.
signing_libs   = $(shell pkg-config --libs gnutls 2>/dev/null)
lib_libs       = $(shell pkg-config --libs $(LIB_PKGS) 2>/dev/null)

# ---------------------------------------------------------------- sources
LIB_SRC    := $(wildcard lib/*.c)
SERVICE_SRC:= $(filter-out provisioner/vmcastd.c provisioner/vmcast.c provisioner/vmcast-unpack.c provisioner/vmcast-sandbox.c,\
	$(wildcard provisioner/*.c))
CLIENT_SRC := $(filter-out bootloader/vmcast-boot.c,$(wildcard bootloader/*.c))
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
TOOL_SRC   := $(wildcard tests/tools/*.c tests/tuf/*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB     := $(BUILD)/libvmcast.a
SERVICE := $(BUILD)/libprovisioner.a
CLIENT  := $(BUILD)/libbootloader.a
UNIT    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SRC))
TOOLS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TOOL_SRC))
FUZZ    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
PROGRAMS := $(BUILD)/vmcastd $(BUILD)/vmcast $(BUILD)/vmcast-unpack $(BUILD)/vmcast-sandbox $(BUILD)/vmcast-boot
ENV      := $(BUILD)/env/initramfs
HYPERVISOR := $(BUILD)/env/hypervisor-x86_64.squashfs $(if $(ARM64),$(BUILD)/env/hypervisor-aarch64.squashfs)
FIRMWARE := $(BUILD)/firmware/.stamp

.PHONY: all programs env hypervisor firmware secure-boot deps demo check lint format fuzz bench bench-ingest bench-memory bench-update bench-landing powercuts faults
.PHONY: install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: programs env hypervisor firmware ## the programs, the boot environment, the hypervisor pack and the network boot firmware (default)

programs: $(PROGRAMS) ## vmcastd, vmcast, vmcast-unpack, vmcast-sandbox and vmcast-boot only

env: $(ENV) ## kernel and initramfs that machines boot, in build/env (ROOT=root.json: only what that site has signed is written; CA=ca.pem: only over https, from a server of that CA)

hypervisor: $(HYPERVISOR) ## what nodes run guests with, in build/env (ARM64=1: a pack for aarch64 guests, too)

firmware: $(FIRMWARE) ## iPXE binaries from Debian, in build/firmware

secure-boot: env firmware ## sign what UEFI machines boot (SB_KEY=db.key SB_CERT=db.crt SERVER=URL ROOT=root.json CA=ca.pem), in build/secure-boot
	$(Q)tests/deps $(SECURE_BOOT_PACKAGES)
	$(Q)SB_KEY='$(SB_KEY)' SB_CERT='$(SB_CERT)' SERVER='$(SERVER)' ROOT='$(ROOT)' firmware/secure-boot

deps: ## install what is missing from Debian (says what first)
	$(Q)tests/deps $(BUILD_PACKAGES) $(LAB_PACKAGES) $(TEST_PACKAGES) $(SECURE_BOOT_PACKAGES)

demo: deps ## boot a virtual machine with an empty disk from the network to Debian's login prompt (UEFI=1: on UEFI; LANDING=kexec|guest)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)qemu/demo

check: deps ## everything CI runs: lint, unit, functional, netboot, fuzz (T=NAME: only tests with NAME in their name)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/check $(T)

lint: ## clang-format, cppcheck, shellcheck
	$(Q)tests/lint

format: ## lay the sources out as .clang-format says
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

bench: deps ## writing a disk from the network: ours, other tools, the limits (BENCH="--bytes 1G --runs 3 vmcast casync")
	$(Q)tests/deps $(BENCH_PACKAGES)
	$(Q)$(MAKE) --no-print-directory $(if $(BENCH),programs,all)
	$(Q)tests/bench/write $(BENCH)
	$(if $(BENCH),,$(Q)tests/bench/memory)

bench-ingest: programs ## what an ingest costs, beside qemu-img and zstd (BENCH="--bytes 1G --runs 1 qcow2")
	$(Q)tests/bench/ingest $(BENCH)

powercuts: deps ## cut a machine's power while it writes, 100 times, and ask firmware what boots (CUTS="--cuts 10")
	$(Q)$(MAKE) --no-print-directory programs env unit-tests
	$(Q)tests/power/run $(CUTS)

faults: deps ## what breaks between a server and a disk, ours and other tools (FAULTS="--tools vmcast F08 F32"); needs root
	$(Q)tests/deps $(BENCH_PACKAGES)
	$(Q)$(MAKE) --no-print-directory programs
	$(Q)tests/faults/run $(FAULTS)

bench-memory: deps ## the least memory a machine can be imaged with (BENCH="--bytes 1G"); `make bench` does it, too
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/bench/memory $(BENCH)

bench-update: deps ## bringing a disk from an older image to a newer one: bytes fetched and written (BENCH="--pair package casync")
	$(Q)tests/deps $(BENCH_PACKAGES)
	$(Q)$(MAKE) --no-print-directory programs
	$(Q)tests/bench/update $(BENCH)

bench-landing: deps ## from the commit to the login prompt: by kexec and by a reset, BIOS and UEFI
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/bench/landing

install: all ## install into DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/vmcast/env \
		$(DESTDIR)$(PREFIX)/share/vmcast/firmware $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)/etc/vmcast $(DESTDIR)$(PREFIX)/libexec/vmcast
	install -m755 $(BUILD)/vmcastd $(DESTDIR)$(PREFIX)/sbin/
	install -m755 $(BUILD)/vmcast-unpack $(BUILD)/vmcast-sandbox $(DESTDIR)$(PREFIX)/libexec/vmcast/
	install -m755 $(BUILD)/vmcast $(BUILD)/vmcast-boot $(DESTDIR)$(PREFIX)/bin/
	install -m644 $(BUILD)/env/vmlinuz $(BUILD)/env/initramfs $(BUILD)/env/initramfs-virtio $(HYPERVISOR) \
		$(DESTDIR)$(PREFIX)/share/vmcast/env/
	install -m644 $(BUILD)/firmware/*.kpxe $(BUILD)/firmware/*.efi $(DESTDIR)$(PREFIX)/share/vmcast/firmware/
	install -m644 docs/reference/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m644 docs/reference/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m644 docs/reference/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	for unit in vmcastd.service vmcast-sandbox.socket vmcast-sandbox@.service; do \
		sed 's|@PREFIX@|$(PREFIX)|g' "provisioner/$$unit" >"$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit" || exit 1; \
	done
	install -D -m644 provisioner/vmcast.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/vmcast.conf
	test -e $(DESTDIR)/etc/vmcast/vmcastd.conf || \
		$(BUILD)/vmcastd --help-config | install -m644 /dev/stdin $(DESTDIR)/etc/vmcast/vmcastd.conf

clean: ## remove what was compiled (downloads and images stay; `rm -r build` removes them too)
	rm -rf $(BUILD)/obj $(BUILD)/tests $(BUILD)/fuzz $(BUILD)/*.a $(PROGRAMS) $(BUILD)/san $(BUILD)/clang $(BUILD)/env

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-13s %s\n", $$1, $$2 }'
	@echo
	@echo "  SAN=1 sanitizers   CC=clang   V=1 show commands   T=NAME one test   UEFI=1 demo on UEFI"
	@echo "  DESTDIR= PREFIX=$(PREFIX) for install"

# ---------------------------------------------------------------- rules
$(BUILD)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(EXTRA) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/provisioner/%.o: EXTRA = $(service_cflags)
$(BUILD)/obj/provisioner/config.o: EXTRA += -DVMCAST_DATADIR='"$(PREFIX)/share/vmcast"' \
	-DVMCAST_LIBEXECDIR='"$(PREFIX)/libexec/vmcast"'
$(BUILD)/obj/provisioner/config.o: $(BUILD)/prefix
$(BUILD)/obj/lib/tuf_key.o $(BUILD)/fuzz/obj/lib/tuf_key.o: EXTRA = -Ibuild/static/include
$(BUILD)/obj/lib/tuf_key.o $(BUILD)/fuzz/obj/lib/tuf_key.o: | build/static/link.flags
$(BUILD)/obj/tests/%.o: EXTRA = $(service_cflags) -Iprovisioner -Ibootloader -Itests/unit
$(BUILD)/obj/tests/unit/test_gcm.o: EXTRA += -Ibuild/static/include
$(BUILD)/obj/tests/unit/test_gcm.o: | build/static/link.flags

# Changes only when PREFIX does, so that the paths compiled in follow it.
$(BUILD)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' >$@
.PHONY: FORCE

$(LIB): $(call obj,$(LIB_SRC))
$(SERVICE): $(call obj,$(SERVICE_SRC))
$(CLIENT): $(call obj,$(CLIENT_SRC))
$(LIB) $(SERVICE) $(CLIENT):
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/vmcastd $(BUILD)/vmcast: $(BUILD)/%: $(BUILD)/obj/provisioner/%.o $(SERVICE) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(service_libs) $(tuf_libs)

$(BUILD)/vmcastd $(BUILD)/vmcast: service_libs += $(tuf_libs) $(signing_libs)

$(BUILD)/vmcast-unpack: $(BUILD)/obj/provisioner/vmcast-unpack.o $(SERVICE) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(unpack_libs)

$(BUILD)/vmcast-sandbox: $(BUILD)/obj/provisioner/vmcast-sandbox.o $(SERVICE) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(sandbox_libs)

ifeq ($(SAN)$(findstring clang,$(CC)),)
# The real one: static, so that it runs in an initramfs without libraries. link.flags is written by bootloader/deps.
$(BUILD)/vmcast-boot: $(BUILD)/obj/bootloader/vmcast-boot.o $(CLIENT) $(LIB) build/static/link.flags
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $(filter %.o %.a,$^) -l:libsodium.a $$(cat build/static/link.flags)
	$(Q)cp $@ $@.debug && strip $@
else
# Sanitizers need shared libraries; the clang build only proves that clang compiles everything.
$(BUILD)/vmcast-boot: $(BUILD)/obj/bootloader/vmcast-boot.o $(CLIENT) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(lib_libs) $(tuf_libs)
endif

build/static/link.flags: bootloader/deps $(wildcard bootloader/mbedtls/*)
	$(Q)BUILD=build bootloader/deps

$(ENV): $(BUILD)/vmcast-boot $(BUILD)/root.json $(BUILD)/ca.pem $(wildcard bootloader/env/*)
	$(Q)ROOT='$(if $(ROOT),$(BUILD)/root.json)' CA='$(if $(CA),$(BUILD)/ca.pem)' bootloader/env/build

$(BUILD)/env/hypervisor-%.squashfs: bootloader/hypervisor/build bootloader/hypervisor/packages bootloader/hypervisor/packages-%
	$(Q)bootloader/hypervisor/build $*

# They change only when what ROOT and CA name does; empty without one.
$(BUILD)/root.json: FORCE
	@mkdir -p $(@D)
	@cmp -s '$(or $(ROOT),/dev/null)' $@ || cat '$(or $(ROOT),/dev/null)' >$@

$(BUILD)/ca.pem: FORCE
	@mkdir -p $(@D)
	@cmp -s '$(or $(CA),/dev/null)' $@ || cat '$(or $(CA),/dev/null)' >$@

$(FIRMWARE): firmware/fetch
	$(Q)firmware/fetch && touch $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(CLIENT) $(SERVICE) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(service_libs) $(unpack_libs) $(tuf_libs) $(signing_libs)

.PHONY: unit-tests
unit-tests: $(UNIT) $(TOOLS)

# Fuzzers: libFuzzer, with everything they reach instrumented.
FUZZ_FLAGS := -g -O1 -std=gnu11 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJ   := $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(LIB_SRC) $(SERVICE_SRC) $(CLIENT_SRC))

$(BUILD)/fuzz/obj/%.o: %.c Makefile
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) $(EXTRA) $(service_cflags) -Iprovisioner -Ibootloader -Itests/unit \
		-DVMCAST_DATADIR='"$(PREFIX)/share/vmcast"' $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJ)
	$(call say,LINK,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(service_libs) $(unpack_libs) $(tuf_libs) $(signing_libs)

fuzz: $(FUZZ) ## each parser's fuzzer for FUZZ_SECONDS (5) on its corpus
	$(Q)prove --timer --exec '' tests/fuzz/run :: $(FUZZ)

-include $(shell find $(BUILD)/obj $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)
