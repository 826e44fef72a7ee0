# SPDX-License-Identifier: Apache-2.0
# Completion of weft and its programs in bash. The functions _weft_X_commands, _weft_X_options and
# _weft_X_values are generated from the option tables; this part only chooses among them.

_weft_installed() {
	local command
	for command in serve kv perf doctor devices top emu; do
		type -P "weft-$command" >/dev/null && echo "$command"
	done
}

_weft_fill() {
	case $1 in
	@file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
	@dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
	*) mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$2") ;;
	esac
}

# Completes the last word of a line whose program (weft-X) is word $1, X in $2.
_weft_program() {
	local first=$1 prefix=_weft_$2 command=- commands word values i
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
	commands=" $("${prefix}_commands" 2>/dev/null) "
	for ((i = first + 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ $word == -- ]] && { _weft_fill @file "$current"; return; }
		if [[ $word == -* ]]; then
			"${prefix}_values" "$command" "$word" >/dev/null && ((i++))
		elif [[ $command == - && $commands == *" $word "* ]]; then
			command=$word
		fi
	done
	if ((COMP_CWORD > first + 1)) && [[ $previous == -* ]] &&
		values=$("${prefix}_values" "$command" "$previous"); then
		_weft_fill "$values" "$current"
	elif [[ $current == -* ]]; then
		_weft_fill "$("${prefix}_options" "$command")" "$current"
	elif [[ $command == - && -n ${commands// /} ]]; then
		_weft_fill "$commands" "$current"
	else
		_weft_fill @file "$current"
	fi
}

_weft_complete() {
	local name=${COMP_WORDS[0]##*/}
	COMPREPLY=()
	if [[ $name == weft-* ]]; then
		_weft_program 0 "${name#weft-}"
	elif ((COMP_CWORD == 1)); then
		_weft_fill "$(_weft_installed) $(_weft_options -)" "${COMP_WORDS[1]}"
	elif declare -F "_weft_${COMP_WORDS[1]}_options" >/dev/null; then
		_weft_program 1 "${COMP_WORDS[1]}"
	fi
}

