# usage: apply.py part < edits ; edits by line number of /tmp/h/w/part.txt (original)
import sys,re,textwrap
part=sys.argv[1]
L=open(f'/tmp/h/w/{part}.txt').read().split('\n')[:-1]
edits=[];cur=None
for raw in sys.stdin.read().split('\n'):
    m=re.match(r'^(\d+)(?:-(\d+))?(?: (.*)|)$',raw)
    if m:
        cur=[int(m[1]),int(m[2] or m[1]),[m[3] or '']]; edits.append(cur)
    elif raw.startswith(' ') and cur: cur[2].append(raw[1:])
    elif raw.strip()=='' : continue
    elif raw=='.' and cur: cur[2].append('.')
    else: print('BAD LINE',raw); 
out=dict()
ok=True
used=set()
for a,b,texts in edits:
    for i in range(a,b+1):
        if i in used: print('OVERLAP',i); ok=False
        used.add(i)
    src=L[a-1:b]
    m=re.match(r'^(\s*)(//!|///|//)',src[0]) if src else None
    if not m: print('NOT COMMENT',a,b,src[:1]); ok=False; continue
    for s in src:
        if not re.match(r'^\s*(//!|///|//)',s): print('NOT ALL COMMENT',a,b,s); ok=False
    ind,pre=m[1],m[2]
    if texts==['-']: out[a]=(b,[]); continue
    res=[]
    for t in texts:
        if t in('.',''):
            res.append(ind+pre); continue
        hang='  ' if t.startswith('- ') else ''
        if t.startswith('"'):   # verbatim
            res.append(ind+pre+' '+t[1:]); continue
        w=textwrap.wrap(t,width=100-len(ind+pre)-1,break_long_words=False,break_on_hyphens=False,subsequent_indent=hang)
        res+= [ind+pre+' '+x for x in w]
    out[a]=(b,res)
if not ok and '-f' not in sys.argv: sys.exit(1)
new=[];i=1
while i<=len(L):
    if i in out:
        b,res=out[i]; new+=res; i=b+1
    else: new.append(L[i-1]); i+=1
# split to files
cur=None;files={}
for l in new:
    if l.startswith('=== '): cur=l[4:]; files[cur]=[]
    else: files[cur].append(l)
for f,ls in files.items(): open('/tmp/h/p1/'+f,'w').write('\n'.join(ls)+'\n')
print('ok',len(edits))
