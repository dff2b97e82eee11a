@echo off
rem Shows the archive on this key in the browser; ends with this window.
set "STORE=%~dp0.."
if not exist "%STORE%\STORE" for /d %%d in ("%~dp0..\*") do if exist "%%d\STORE" set "STORE=%%d"
"%~dp0chunkstore-windows-x86_64.exe" browse --open --store "%STORE%" %*
pause
