# Completion of glim for bash: source this file, or install it as
# /usr/share/bash-completion/completions/glim. The words come from the program's own help.
_glim() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} glim=${COMP_WORDS[0]}
	if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "${COMP_WORDS[1]}" = help ]; }; then
		mapfile -t COMPREPLY < <(compgen -W "$("$glim" help 2>/dev/null | awk '/^  [a-z]/ {print $1}')" -- "$word")
		return
	fi
	case $before in
	-f | --format)
		mapfile -t COMPREPLY < <(compgen -W "folded pprof" -- "$word")
		return
		;;
	esac
	case $word in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$("$glim" help "${COMP_WORDS[1]}" 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)" -- "$word")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	esac
}
complete -o filenames -F _glim glim
