import sys,re,glob,os
os.chdir('/tmp/h/p1')
crate=sys.argv[1]
pairs=[l.split() for l in sys.stdin.read().split('\n') if l.strip()]
files=glob.glob(f'crates/{crate}/**/*.rs',recursive=True)
docs=glob.glob('docs/**/*.md',recursive=True)+['README.md']
txt={f:open(f).read() for f in files}
dt={f:open(f).read() for f in docs}
for o,n in pairs:
    c=0
    for f in txt:
        txt[f],k=re.subn(rf'\b{o}\b',n,txt[f]); c+=k
    d=0
    if len(o)>14:
        for f in dt:
            dt[f],k=re.subn(rf'\b{o}\b',n,dt[f]); d+=k
            if k: print('doc',f,o)
    if c==0: print('NOT FOUND',o)
for f in txt: open(f,'w').write(txt[f])
for f in dt:
    if dt[f]!=open(f).read(): open(f,'w').write(dt[f])
# remaining elsewhere
import subprocess
names='|'.join(o for o,n in pairs if len(o)>14)
r=subprocess.run(['git','grep','-nwE',names],capture_output=True,text=True).stdout
if r: print('ELSEWHERE:\n'+r[:3000])
