# cells of bash: ipykernel asks for colours
unset FORCE_COLOR CLICOLOR
