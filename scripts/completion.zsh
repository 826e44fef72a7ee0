#compdef weft weft-serve weft-kv weft-perf weft-doctor weft-devices weft-top weft-emu
# SPDX-License-Identifier: Apache-2.0
# Completion of weft and its programs in zsh. The functions below are generated from the option tables.

_weft_dispatch() {
	local name=${service#weft-}
	if [[ $service != weft ]]; then
		_weft_$name
	elif (( CURRENT == 2 )); then
		local -a installed=(serve kv perf doctor devices top emu)
		_describe -t commands command installed
		_arguments -S '--help[show help]' '--version[show versions]'
	elif (( $+functions[_weft_$words[2]] )); then
		shift words
		(( CURRENT-- ))
		_weft_$words[1]
	fi
}

